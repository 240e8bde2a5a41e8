"""Reads a question as it was meant: mistyped words become those of the tenant's own vocabulary.

A word that any document, or anybody who asks, uses is never changed. Another notation is surely meant; that a letter
is wrong is a guess, for the word may be one that the tenant does not know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, pairwise

from retrieval_service.domain.retrieval.keyboards import in_one_script, is_mixed, retyped
from retrieval_service.domain.retrieval.vocabulary import LONGEST_SOUND, Vocabulary, spoken
from retrieval_service.text import words as analysis
from retrieval_service.text.facts.words import NUMBER_WORDS
from retrieval_service.text.languages import language_among

# Who mistypes more words than these is not understood anyway.
MOST_UNKNOWN = 16
LONGEST_QUESTION = 2_000

# By the letters of the word: what one edit, and two, may be believed for; shorter words become others too easily.
SHORTEST_ONE_EDIT = 3
SHORTEST_SHORTENED = 5
SHORTEST_REPLACED = 5
SHORTEST_TWO_EDITS = 8
SHORTEST_RETYPED = 4
SHORTEST_HEARD = 3
SHORTEST_CODE = 4
MOST_CODES = 3
SHORTEST_GLUED = 8
LONGEST_GLUED = 60
SHORTEST_GLUED_PART = 3
MOST_GLUED = 8

_TYPED = re.compile(r"\w+(?:\+\+|[+#](?!\w))?")
_CODE_PARTS = re.compile(r"\d+|[^\W\d]+")
_SPOKEN_MEASURE = re.compile(r"(\d{1,6}(?:[.,]\d{1,4})?) (\w{1,3}) (\d{1,6}(?:[.,]\d{1,4})?)")


class Familiarity(StrEnum):
    """How a language model takes a word: as one that it knows, as one that may well be, or as letters."""

    KNOWN = "known"
    POSSIBLE = "possible"
    STRANGE = "strange"


Known = Callable[[Collection[str]], Set[str]]
Familiar = Callable[[str], Familiarity]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The question as it is surely meant, and as it may be meant besides: "" where nothing can be guessed.

    `is_doubtful`: the guess has changed what may well be a word.
    """

    text: str
    guess: str = ""
    is_doubtful: bool = False


@dataclass(frozen=True, kw_only=True)
class Token:
    """A word of a question, in lower case, and where it stands there."""

    word: str
    start: int
    end: int
    is_name: bool


@dataclass(frozen=True, kw_only=True)
class _Guess:
    text: str
    is_doubtful: bool = False


Rule = Callable[[Token], str]


def unknown_words(text: str, languages: Sequence[str], known: Known) -> list[str]:
    """Those that may be mistyped, at most `MOST_UNKNOWN`: no document and no language has them.

    Of all others `known` is asked once which ones documents have.
    """
    asked = dict.fromkeys(token.word for token in _tokens(text[:LONGEST_QUESTION]))
    said = [spoken(language) for language in languages]
    rare = [word for word in asked if not (_is_number(word) or any(word in one for one in said))]
    are_known = known(rare)
    return list(islice((word for word in rare if word not in are_known), MOST_UNKNOWN))


def _is_number(word: str) -> bool:
    return word.isdigit() or word in NUMBER_WORDS


def has_spoken_measure(text: str) -> bool:
    """Whether it may say a measure with a word between the numbers: "3 by 1.5"."""
    return bool(_SPOKEN_MEASURE.search(text[:LONGEST_QUESTION]))


def read(
    text: str,
    unknown: Sequence[str],
    vocabulary: Vocabulary,
    familiar: Familiar,
    *,
    languages: Sequence[str],
) -> Reading:
    """With the unknown words as the vocabulary most likely has them; unchanged where it has none.

    A word that is `familiar` to a language model is never guessed to be another. What seems to be in another language
    than the `languages` of the vocabulary may be words of these in other letters: where most are. Takes some tenths
    of a millisecond for each unknown word.
    """
    if len(text) > LONGEST_QUESTION:
        return Reading(text=text)
    measured = _measured(text, vocabulary)
    retyped_text, retyped_words = _retyped(measured, frozenset(unknown), vocabulary)
    suspects = frozenset(unknown) | retyped_words
    sure = _mended(
        _joined(retyped_text, suspects, vocabulary), suspects, lambda token: _surely(token, vocabulary)
    )
    strange = suspects - vocabulary.counts.keys()
    left = sum(token.word in strange for token in _tokens(sure))
    if 2 * left >= len(unknown) and _is_foreign(text, languages):
        return Reading(text=_mended(measured, suspects, lambda token: _by_code(token.word, vocabulary)))
    guesses = _guesses(sure, suspects, vocabulary, familiar)
    if not guesses:
        return Reading(text=sure)
    guess = _mended(sure, suspects, lambda token: guesses[token.word].text if token.word in guesses else "")
    return Reading(text=sure, guess=guess, is_doubtful=any(one.is_doubtful for one in guesses.values()))


def _tokens(text: str) -> list[Token]:
    """Of a text as it was typed; of measures nothing is mistyped."""
    found = ((match.start(), match.group()) for match in _TYPED.finditer(text))
    capital = not text.isupper()
    return [
        Token(
            word=analysis.normal(typed),
            start=start,
            end=start + len(typed),
            is_name=capital and start > 0 and typed[0].isupper(),
        )
        for start, typed in found
    ]


def _is_foreign(text: str, languages: Sequence[str]) -> bool:
    language = language_among(text, languages)
    return bool(language) and language not in languages


def _measured(text: str, vocabulary: Vocabulary) -> str:
    def one(match: re.Match[str]) -> str:
        measure = analysis.measure(f"{match[1]}x{match[3]}")
        return measure if measure in vocabulary.counts else match[0]

    return _SPOKEN_MEASURE.sub(one, text)


def _retyped(text: str, unknown: frozenset[str], vocabulary: Vocabulary) -> tuple[str, frozenset[str]]:
    """All unknown pieces are of the other keyboard where one of some length says so; and which words they give."""
    pieces = text.split()
    strange = [piece for piece in dict.fromkeys(pieces) if _is_unknown(piece, unknown)]
    sure = {piece: meant for piece in strange if (meant := _surely_retyped(piece, vocabulary))}
    if not any(len(piece) >= SHORTEST_RETYPED for piece in sure):
        return text, frozenset()
    others = {piece: options[-1] for piece in strange if (options := retyped(piece.lower()))}
    meant = others | sure
    words = {token.word for one in meant.values() for token in _tokens(one)}
    new = frozenset(word for word in words if word not in vocabulary.counts)
    return " ".join(meant.get(piece, piece) for piece in pieces), new


def _is_unknown(piece: str, unknown: frozenset[str]) -> bool:
    words = [token.word for token in _tokens(piece)]
    return bool(words) and all(word in unknown or len(word) == 1 for word in words)


def _surely_retyped(piece: str, vocabulary: Vocabulary) -> str:
    """What the vocabulary has among what the keys may have meant, "" for nothing."""
    for option in retyped(piece.lower()):
        words = [token.word for token in _tokens(option)]
        if words and all(_heard(word, vocabulary) for word in words):
            return option
    return ""


def _joined(text: str, unknown: frozenset[str], vocabulary: Vocabulary) -> str:
    """Without the spaces in words that the vocabulary has only in one piece."""
    parts: list[str] = []
    done = 0
    for one, other in pairwise(_tokens(text)):
        is_split = one.start >= done and not unknown.isdisjoint((one.word, other.word))
        if is_split and vocabulary.counts.get(one.word + other.word):
            parts += [text[done : one.start], one.word + other.word]
            done = other.end
    return "".join([*parts, text[done:]])


def _mended(text: str, unknown: frozenset[str], rule: Rule) -> str:
    parts: list[str] = []
    done = 0
    for token in _tokens(text):
        if token.word in unknown and (meant := rule(token)):
            parts += [text[done : token.start], meant]
            done = token.end
    return "".join([*parts, text[done:]])


def _surely(token: Token, vocabulary: Vocabulary) -> str:
    word = token.word
    return _by_look(word, vocabulary) or _heard(word, vocabulary) or _by_code(word, vocabulary)


def _guesses(
    text: str, unknown: frozenset[str], vocabulary: Vocabulary, familiar: Familiar
) -> dict[str, _Guess]:
    """What words may be meant by the unknown ones, by these."""
    guesses = {
        token.word: _perhaps(token, vocabulary, familiar) for token in _tokens(text) if token.word in unknown
    }
    return {word: guess for word, guess in guesses.items() if guess}


def _perhaps(token: Token, vocabulary: Vocabulary, familiar: Familiar) -> _Guess | None:
    word = token.word
    if word in vocabulary.counts or len(word) > LONGEST_GLUED:
        return None
    familiarity = familiar(word)
    if familiarity is Familiarity.KNOWN:
        return None
    if unglued := _unglued(word, vocabulary):
        return _Guess(text=unglued)
    edits, other = _by_edits(token, vocabulary)
    is_sure = sorted(word) == sorted(other) or (edits <= 1 and familiarity is Familiarity.STRANGE)
    return _Guess(text=other, is_doubtful=not is_sure) if other else None


def _by_look(word: str, vocabulary: Vocabulary) -> str:
    """One in which letters of two alphabets are mixed is of one of them, whether it is known or not.

    A single letter is a word in many languages.
    """
    options = in_one_script(word) if len(word) > 1 else []
    known = [one for one in options if one in vocabulary.counts]
    return next(iter(known or (options if is_mixed(word) else ())), "")


def _heard(word: str, vocabulary: Vocabulary) -> str:
    """The word itself or one that sounds like it, in whatever letters."""
    if word in vocabulary.counts:
        return word
    sound = analysis.fold(word) if word.isalpha() else ""
    return vocabulary.by_sound.get(sound, "") if len(sound) >= SHORTEST_HEARD else ""


def _by_code(word: str, vocabulary: Vocabulary) -> str:
    """Codes that hold the code, or the known parts it is put together from."""
    if not any(map(str.isdigit, word)) or len(word) < SHORTEST_CODE:
        return ""
    holders = [code for code in vocabulary.codes if word in code]
    if 0 < len(holders) <= MOST_CODES:
        return " ".join(holders)
    parts = _CODE_PARTS.findall(word)
    joined = [first + second for first, second in pairwise(parts)]
    options = (parts, [parts[0], *joined[1:]], [*joined[:1], *parts[2:]])
    return next(
        (" ".join(one) for one in options if len(one) > 1 and all(map(vocabulary.counts.get, one))), ""
    )


def _unglued(word: str, vocabulary: Vocabulary) -> str:
    """The fewest known words that follow each other without a space, "" where they do not."""
    if not SHORTEST_GLUED <= len(word) <= LONGEST_GLUED:
        return ""
    best: list[tuple[str, ...] | None] = [()]
    for end in range(1, len(word) + 1):
        starts = range(max(0, end - LONGEST_SOUND), end - SHORTEST_GLUED_PART + 1)
        options = [
            (*before, word[start:end])
            for start in starts
            if (before := best[start]) is not None and word[start:end] in vocabulary.counts
        ]
        best.append(min(options, key=len, default=None))
    found = best[-1] or ()
    return " ".join(found) if len(found) <= MOST_GLUED else ""


def _by_edits(token: Token, vocabulary: Vocabulary) -> tuple[int, str]:
    """The nearest known word, "" for none, the more frequent of two, and how many letters are wrong.

    A name is only believed to have two letters swapped.
    """
    word, sound = token.word, analysis.fold(token.word)
    if not word.isalpha() or len(word) < SHORTEST_ONE_EDIT or len(sound) > LONGEST_SOUND:
        return 0, ""
    most = 1 if len(word) < SHORTEST_TWO_EDITS or token.is_name else 2
    places, edits = vocabulary.sounds.near(sound, most)
    others = (vocabulary.entries[place] for place in map(int, places))
    found = sorted(
        (edit, -vocabulary.counts[other], other)
        for edit, other in zip(map(int, edits), others, strict=True)
        if _may_be(token, other)
    )
    return (found[0][0], found[0][2]) if found else (0, "")


def _may_be(token: Token, other: str) -> bool:
    """Whether the known word is likelier than that the token is a word of its own."""
    word = token.word
    if sorted(word) == sorted(other):
        return True
    if token.is_name or word[0] != other[0]:
        return False
    least = SHORTEST_REPLACED if len(word) == len(other) else SHORTEST_SHORTENED
    return len(word) >= least or len(word) < len(other)
