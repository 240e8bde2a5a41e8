"""Letters that were typed on the wrong keyboard, or that only look like those that were meant."""

from __future__ import annotations

from retrieval_service.text.languages import character_script

# The keys of one keyboard and of the other, in the same order.
_LATIN_KEYS = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`"
_CYRILLIC_KEYS = "йцукенгшщзхъфывапролджэячсмитьбюё"
_TO_CYRILLIC_KEYS = str.maketrans(_LATIN_KEYS, _CYRILLIC_KEYS)
_TO_LATIN_KEYS = str.maketrans(_CYRILLIC_KEYS, _LATIN_KEYS)

_LATIN_LOOKS = "abcehikmoptxyj"
_CYRILLIC_LOOKS = "авсенікмортхуј"
_TO_CYRILLIC_LOOKS = str.maketrans(_LATIN_LOOKS, _CYRILLIC_LOOKS)
_TO_LATIN_LOOKS = str.maketrans(_CYRILLIC_LOOKS, _LATIN_LOOKS)

_ENDS = "?!"
_MARKS = "?!.,;:"


def retyped(piece: str) -> list[str]:
    """What the keys of a piece without spaces, in lower case, give on the other keyboard, marks at its end as they are.

    Two readings where the last key is a mark on one keyboard and a letter on the other.
    """
    scripts = {character_script(letter) for letter in piece} - {""}
    if len(scripts) != 1 or not scripts <= {"Latin", "Cyrillic"}:
        return []
    keys = _TO_CYRILLIC_KEYS if scripts == {"Latin"} else _TO_LATIN_KEYS
    bodies = dict.fromkeys((piece.rstrip(_ENDS), piece.rstrip(_MARKS)))
    return [body.translate(keys) + piece[len(body) :] for body in bodies]


def in_one_script(word: str) -> list[str]:
    """The word with letters that look alike all of one alphabet; a word in lower case, itself not among them."""
    latin, cyrillic = word.translate(_TO_LATIN_LOOKS), word.translate(_TO_CYRILLIC_LOOKS)
    return [one for one in (cyrillic, latin) if one != word and _is_of_one_script(one)]


def is_mixed(word: str) -> bool:
    """Whether both alphabets are in the word."""
    return {"Latin", "Cyrillic"} <= {character_script(letter) for letter in word}


def _is_of_one_script(word: str) -> bool:
    return len({character_script(letter) for letter in word} - {""}) == 1
