"""Which script and which language a text is written in."""

from __future__ import annotations

import threading
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from retrieval_service.text.function_words import TELLING_WORDS

# Scripts that are written without spaces between words.
UNSEGMENTED_SCRIPTS = frozenset({"Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"})

SAMPLE_CHARACTERS = 4_000

# A question may name "iPhone 15 Pro Max": this share of another script's letters outweighs Latin names.
_FOREIGN_SHARE = 0.25

# A text of so few words is decided by its function words when it has any.
_SHORT_WORDS = 12
_LEAST_CONFIDENCE = 0.3
# Of the model's hundred languages: what a text in somebody else's must reach, in so many words at least, and how much
# likelier it must be than all of one's own; by how much one of these must be likelier than the next; and what each has
# by chance.
_SURE = 0.5
_SURE_WORDS = 3
_SURELY_LIKELIER = 10.0
_CLEARLY_LIKELIER = 5.0
_CHANCE = 0.01
# The product's own languages are likelier than their neighbours; only short texts are close enough to notice.
_PRIOR: Mapping[str, float] = {"en": 2.0, "ru": 4.0, "pt": 2.0}

_SCRIPT_ALIASES = {"Cjk": "Han", "Ideographic": "Han"}

# For scripts of many languages: the ones that the statistical model may choose from.
_CANDIDATES: Mapping[str, tuple[str, ...]] = {
    "Latin": (
        *("en", "pt", "es", "fr", "de", "it", "nl", "pl", "ro"),
        *("cs", "sv", "da", "no", "fi", "hu", "tr", "id", "vi"),
    ),
    "Cyrillic": ("ru", "uk", "be", "bg", "sr", "mk", "kk"),
    "Arabic": ("ar", "fa", "ur"),
    "Devanagari": ("hi", "mr", "ne"),
}

# Letters that one of the Cyrillic alphabets has and Russian has not, the most particular first.
_CYRILLIC_LETTERS = (("be", "ў"), ("uk", "їєґ"), ("kk", "әғқңөұүһ"), ("mk", "ѓќѕ"), ("sr", "ђћ"))

_SPANISH_SIGNS = frozenset("¿¡")

_ONE_LANGUAGE: Mapping[str, str] = {
    "Greek": "el",
    "Hebrew": "he",
    "Armenian": "hy",
    "Georgian": "ka",
    "Hangul": "ko",
    "Thai": "th",
    "Han": "zh",
    "Hiragana": "ja",
    "Katakana": "ja",
    "Bengali": "bn",
    "Tamil": "ta",
    "Telugu": "te",
}

_loading = threading.Lock()
_identifiers: list[LanguageIdentifier] = []


def dominant_script(text: str) -> str:
    """The Unicode script of most letters ("Latin", "Cyrillic", "Han", …), "" when there are no letters."""
    counts = _script_counts(text)
    return max(counts, key=lambda script: (counts[script], script)) if counts else ""


def detect_language(text: str) -> str:
    """ISO 639-1 code, "" when undecidable; the first call loads a model for most of a second: warm it."""
    sample = text[:SAMPLE_CHARACTERS]
    counts = _script_counts(sample)
    script = _language_script(counts)
    if script in _CANDIDATES:
        return _by_letters(sample, script) or _by_telling_words(sample, script) or _by_model(sample, script)
    if script == "Han" and (counts["Hiragana"] or counts["Katakana"]):
        return "ja"
    return _ONE_LANGUAGE.get(script, "")


def language_among(text: str, own: Sequence[str]) -> str:
    """The language of a text of people who mostly write in `own`; "" when it may be any of them, like a name.

    Another language is believed where the text is long enough to be sure of it.
    """
    sample = text[:SAMPLE_CHARACTERS]
    counts = _script_counts(sample)
    script = _language_script(counts)
    if script not in _CANDIDATES:
        return detect_language(sample)
    shares = _shares(sample, script)
    told = _by_letters(sample, script) or _by_telling_words(sample, script) or _sure(shares, own)
    if told in own or (told and len(_words(sample)) >= _SURE_WORDS):
        return told
    written = {one: _written_in(one, counts) for one in own}
    if guests := [one for one in own if script == "Latin" and written[one] not in ("", "Latin")]:
        return guests[0]
    return _likeliest({one: shares[one] for one in own if written[one] == script}, script)


def is_written_like(text: str, language: str) -> bool:
    """Whether the text is in letters of the language."""
    return language in _CANDIDATES.get(dominant_script(text), ())


@lru_cache(maxsize=16_384)
def character_script(character: str) -> str:
    """The script that Unicode names the letter by, "" for anything that is not a letter."""
    if not character.isalpha():
        return ""
    first = unicodedata.name(character, "").replace("-", " ").partition(" ")[0].capitalize()
    return _SCRIPT_ALIASES.get(first, first)


def _script_counts(text: str) -> Counter[str]:
    # NFKC first: full-width and mathematical letters are named after their style, not their script.
    sample = unicodedata.normalize("NFKC", text[:SAMPLE_CHARACTERS])[:SAMPLE_CHARACTERS]
    counts = Counter(map(character_script, sample))
    del counts[""]
    return counts


def _language_script(counts: Counter[str]) -> str:
    if not counts:
        return ""
    foreign = [script for script in counts if script != "Latin"]
    strongest = max(foreign, key=lambda script: counts[script], default="")
    if strongest and counts[strongest] >= _FOREIGN_SHARE * counts.total():
        return strongest
    return counts.most_common(1)[0][0]


def _by_letters(sample: str, script: str) -> str:
    letters = set(sample.lower())
    if script == "Latin":
        return "es" if letters & _SPANISH_SIGNS else ""
    if script != "Cyrillic":
        return ""
    return next((language for language, own in _CYRILLIC_LETTERS if letters & set(own)), "")


def _by_telling_words(sample: str, script: str) -> str:
    """The only language whose telling words occur in a short text: the model needs more letters than that."""
    words = {word.strip("?!.,:;«»\"'()") for word in sample.lower().replace("ё", "е").split()}
    if len(words) > _SHORT_WORDS:
        return ""
    found = [language for language in _CANDIDATES[script] if words & TELLING_WORDS.get(language, frozenset())]
    return found[0] if len(found) == 1 else ""


def _by_model(sample: str, script: str) -> str:
    candidates = {one: share * _PRIOR.get(one, 1.0) for one, share in _shares(sample, script).items()}
    best = max(candidates, key=lambda language: candidates[language])
    return best if candidates[best] >= _LEAST_CONFIDENCE * sum(candidates.values()) else ""


def _shares(sample: str, script: str) -> dict[str, float]:
    """Of the script's candidates, as the model sees them among all that it knows."""
    ranking = dict(_identifier().rank(_without_foreign_words(sample, script)))
    return {language: float(ranking[language]) for language in _CANDIDATES[script]}


def _sure(shares: Mapping[str, float], own: Sequence[str]) -> str:
    """Neighbours like Russian and Ukrainian share most words: half of what is likely does not tell a stranger."""
    least = max(_SURE, _SURELY_LIKELIER * sum(shares.get(language, 0.0) for language in own))
    return next((one for one, share in shares.items() if share >= (_SURE if one in own else least)), "")


def _words(sample: str) -> set[str]:
    """The different words; a single letter is none, as in "C plus plus"."""
    words = (word.strip("?!.,:;«»¿¡\"'()") for word in sample.casefold().split())
    return {word for word in words if len(word) > 1}


def _written_in(language: str, counts: Counter[str]) -> str:
    """The script of the language, "" where the text has no letter of it."""
    return next((script for script in counts if language in _CANDIDATES.get(script, ())), "")


def _likeliest(shares: Mapping[str, float], script: str) -> str:
    """The only one that is written so; Latin letters are also those of names in any text."""
    if len(shares) == 1 and script != "Latin":
        return next(iter(shares))
    ranked = sorted(shares, key=lambda language: -shares[language])
    likeliest = [shares[language] for language in ranked[:2]]
    is_clear = sum(likeliest) > 0 and likeliest[0] >= max(_CHANCE, _CLEARLY_LIKELIER * sum(likeliest[1:]))
    return ranked[0] if is_clear else ""


def _without_foreign_words(sample: str, script: str) -> str:
    """The words with a letter of the script: brand names in Latin say nothing about a Russian question."""
    words = sample.split()
    return " ".join(word for word in words if any(character_script(letter) == script for letter in word))


def _identifier() -> LanguageIdentifier:
    with _loading:
        if not _identifiers:
            _identifiers.append(LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True))
        return _identifiers[0]
