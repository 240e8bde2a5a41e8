"""Words, stems and character grams: how a text is taken apart before its terms are counted."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

import Stemmer

from retrieval_service.text.languages import UNSEGMENTED_SCRIPTS, character_script

GRAM_LETTERS = 4

# Longer "words" are keys, hashes and encoded data: their beginning is enough to find them.
LONGEST_WORD = 64
# Some letters stand for a whole sentence: a text that becomes that much longer by them says no more.
_GROWTH, _LIGATURES = 2, 64

STEMMERS: Mapping[str, str] = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}

# A word in another script than its text's language is stemmed as the likeliest guest from that script.
_GUESTS: Mapping[str, str] = {"Latin": "en", "Cyrillic": "ru"}
_LANGUAGES_OF_SCRIPT: Mapping[str, frozenset[str]] = {
    "Cyrillic": frozenset({"ru", "sr"}),
    "Arabic": frozenset({"ar", "fa"}),
    "Greek": frozenset({"el"}),
    "Armenian": frozenset({"hy"}),
    "Devanagari": frozenset({"hi", "ne"}),
    "Tamil": frozenset({"ta"}),
    "Hebrew": frozenset({"yi"}),
}
_NOT_LATIN = frozenset[str]().union(*_LANGUAGES_OF_SCRIPT.values()) - {"sr"}

_CACHED_WORDS = 131_072
# A measure in any notation ("3х1,5", "3 x 1.5", "3*1.5"), or a word with the signs that make it another ("C++", "C#").
# A letter that an apostrophe joins to a word ("what's", "d'água") is no word: alone it would be a size.
_LETTER = r"[^\W\d_\u0370-\U0010ffff]"
_CLITIC = rf"(?<={_LETTER}['’]){_LETTER}(?!\w)|(?<!\w){_LETTER}['’]{_LETTER}"
_NUMBER = r"\d{1,6}(?:[.,]\d{1,4})?"
_WORD = re.compile(rf"{_NUMBER}(?:\s?[xх×*]\s?{_NUMBER}){{1,3}}|(?!{_CLITIC})\w+(?:\+\+|[+#](?!\w))?")
_MEASURE = re.compile(_WORD.pattern.partition("|")[0])
_BY = re.compile(r"\s?[xх×*]\s?")
_PLAIN = re.compile(r"\w+")
_UNSEGMENTED_PAIR = 2

# "-" writes nothing: hard and soft signs.
_CYRILLIC = "а б в г д е ж  з и й к л м н о п р с т у ф х ц  ч  ш  щ   ъ ы ь э ю я і ї є ґ ў ђ ј љ њ ћ џ"
_LATIN = "   a b v g d e zh z i i k l m n o p r s t u f h ts ch sh sch - y - e u a i i e g u d i l n h d"
_TRANSLITERATION = str.maketrans(
    {letter: latin.strip("-") for letter, latin in zip(_CYRILLIC.split(), _LATIN.split(), strict=True)}
)

# Spellings that sound alike become one, in this order, so that Denver meets Денвер and Chopin Шопен.
_SOUNDS = (
    *(("ph", "f"), ("th", "t"), ("ck", "k"), ("x", "ks"), ("q", "k"), ("w", "v"), ("y", "i")),
    *(("sch", "sh"), ("tch", "ch"), ("j", "zh"), ("c", "k"), ("oo", "u"), ("ee", "i"), ("kh", "h")),
)
_DOUBLED = re.compile(r"(.)\1+")

_stemmers = threading.local()


def words(text: str) -> list[str]:
    """Lower-case words in order; scripts without spaces give overlapping pairs of letters instead.

    A measure is one word in one notation, and each of its numbers; "c++" is a word, and so is its "c".
    """
    found = _WORD.findall(normal(text))
    if text.isascii() and all(map(str.isalpha, found)):
        return found
    return [part for word in found for part in _parts(word)]


def normal(text: str) -> str:
    """The text as its words are read, at most twice as long and a little."""
    longest = _GROWTH * len(text) + _LIGATURES
    return unicodedata.normalize("NFKC", text)[:longest].lower().replace("ё", "е")


def spans(normal_text: str) -> list[tuple[int, int]]:
    """Where each word of a `normal` text stands, a measure as one; ends are exclusive."""
    return [match.span() for match in _WORD.finditer(normal_text)]


def measure(written: str) -> str:
    """The one notation of a measure: "3 х 1,5" is "3x1.5"."""
    return _BY.sub("x", written).replace(",", ".")


@lru_cache(maxsize=_CACHED_WORDS)
def stem(word: str, language: str) -> tuple[str, str]:
    """The language whose stemmer was used ("" for none) and the stem."""
    stemming = _stemming_language(word, language)
    beginning = word[:LONGEST_WORD]
    return stemming, _stemmer(stemming).stemWord(beginning) if stemming else beginning


def grams(word: str) -> list[str]:
    """The 4-letter pieces of the word between its borders, in Latin letters of one rough pronunciation."""
    bordered = f"<{fold(word[:LONGEST_WORD])}>"
    return [bordered[at : at + GRAM_LETTERS] for at in range(max(1, len(bordered) - GRAM_LETTERS + 1))]


def fold(word: str) -> str:
    """A word as it roughly sounds: Latin letters without accents, one spelling for each sound."""
    folded = word.translate(_TRANSLITERATION)
    if not folded.isascii():
        latin = unicodedata.normalize("NFD", folded)
        folded = "".join(letter for letter in latin if unicodedata.category(letter) != "Mn")
    for spelling, sound in _SOUNDS:
        folded = folded.replace(spelling, sound)
    return _DOUBLED.sub(r"\1", folded)


def _parts(word: str) -> list[str]:
    if word.isalpha():
        return _pairs(word)
    if _MEASURE.fullmatch(word):
        return [measure(word), *_PLAIN.findall(_BY.sub(" ", word))]
    plain = word.rstrip("+#")
    return _pairs(word) if plain == word else [word, *_pairs(plain)]


def _pairs(word: str) -> list[str]:
    if len(word) <= _UNSEGMENTED_PAIR or character_script(word[0]) not in UNSEGMENTED_SCRIPTS:
        return [word]
    return [word[at : at + _UNSEGMENTED_PAIR] for at in range(len(word) - 1)]


def _stemming_language(word: str, language: str) -> str:
    # Numbers and article codes are the same in every language.
    if language not in STEMMERS or any(map(str.isdigit, word)):
        return ""
    script = character_script(word[0])
    return language if _writes(language, script) else _GUESTS.get(script, "")


def _writes(language: str, script: str) -> bool:
    if script == "Latin":
        return language not in _NOT_LATIN
    return language in _LANGUAGES_OF_SCRIPT.get(script, frozenset())


def _stemmer(language: str) -> Stemmer.Stemmer:
    # One of each for every thread: a stemmer must not be used by two at once.
    found = getattr(_stemmers, language, None)
    if found is None:
        found = Stemmer.Stemmer(STEMMERS[language], 0)
        setattr(_stemmers, language, found)
    return found
