"""Which script and which language a text is written in."""

from __future__ import annotations

import threading
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from retrieval_service.domain.function_words import TELLING_WORDS

SAMPLE_CHARACTERS = 4_000

# A question may name "iPhone 15 Pro Max": this share of another script's letters outweighs Latin names.
_FOREIGN_SHARE = 0.25

# A text of so few words is decided by its function words when it has any.
_SHORT_WORDS = 12
_LEAST_CONFIDENCE = 0.3
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
    sample = unicodedata.normalize("NFKC", text[:SAMPLE_CHARACTERS])
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
    if script != "Cyrillic":
        return ""
    letters = set(sample.lower())
    return next((language for language, own in _CYRILLIC_LETTERS if letters & set(own)), "")


def _by_telling_words(sample: str, script: str) -> str:
    """The only language whose telling words occur in a short text: the model needs more letters than that."""
    words = {word.strip("?!.,:;«»\"'()") for word in sample.lower().replace("ё", "е").split()}
    if len(words) > _SHORT_WORDS:
        return ""
    found = [language for language in _CANDIDATES[script] if words & TELLING_WORDS.get(language, frozenset())]
    return found[0] if len(found) == 1 else ""


def _by_model(sample: str, script: str) -> str:
    ranking = _identifier().rank(_without_foreign_words(sample, script))
    shares = {language: share * _PRIOR.get(language, 1.0) for language, share in ranking}
    candidates = {language: shares[language] for language in _CANDIDATES[script]}
    best = max(candidates, key=lambda language: candidates[language])
    return best if candidates[best] >= _LEAST_CONFIDENCE * sum(candidates.values()) else ""


def _without_foreign_words(sample: str, script: str) -> str:
    """The words with a letter of the script: brand names in Latin say nothing about a Russian question."""
    words = sample.split()
    return " ".join(word for word in words if any(character_script(letter) == script for letter in word))


def _identifier() -> LanguageIdentifier:
    with _loading:
        if not _identifiers:
            _identifiers.append(LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True))
        return _identifiers[0]
