"""Politeness that asks for nothing: no document has to do with it, and none is needed; ru, en and pt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from retrieval_service.text.polarity import affirmed
from retrieval_service.text.small_talk import polite_phrases
from retrieval_service.text.words import words

# "Ok, understood. Thank you very much for your help!" is one; whoever writes more wants more.
MOST_WORDS = 9


class Pleasantry(StrEnum):
    """What is said back to it differs; of several the first counts.

    "Tell me more" is one only where nothing was answered before that could be told again.
    """

    HUMAN = "human"
    BOT = "bot"
    FAREWELL = "farewell"
    THANKS = "thanks"
    GREETING = "greeting"
    ACKNOWLEDGEMENT = "acknowledgement"
    AGAIN = "again"


@dataclass(frozen=True, kw_only=True)
class Said:
    """A pleasantry and the language it was said in; empty for "ok" and 👍, which are of no language."""

    pleasantry: Pleasantry
    language: str


# None for what is only said beside a pleasantry: "there" of "hi there".
_Phrases = Mapping[tuple[str, ...], Pleasantry | None]


def _phrases(language: str) -> _Phrases:
    kinds = {
        None: polite_phrases.BESIDE,
        Pleasantry.HUMAN: polite_phrases.WISHES_FOR_A_HUMAN,
        Pleasantry.BOT: polite_phrases.BOT_QUESTIONS,
        Pleasantry.FAREWELL: polite_phrases.FAREWELLS,
        Pleasantry.THANKS: polite_phrases.THANKS,
        Pleasantry.GREETING: polite_phrases.GREETINGS,
        Pleasantry.ACKNOWLEDGEMENT: polite_phrases.ACKNOWLEDGEMENTS,
    }
    lines = ((line, kind) for kind, texts in kinds.items() for line in texts[language].split("\n"))
    return {tuple(line.split()): kind for line, kind in lines if line.strip()}


_PHRASES = {language: _phrases(language) for language in polite_phrases.GREETINGS}
_ALONE = {language: text.split() for language, text in polite_phrases.ALONE.items()}
_LONGEST_PHRASE = max(len(phrase) for phrases in _PHRASES.values() for phrase in phrases)
_DRAWL = re.compile(r"(.)\1{2,}+")
_MOST_EMOJI = 40
# Skin tones, joiners, variation selectors.
_JOINTS = frozenset({"Sk", "Cf", "Mn"})
# The first: a broken heart and a smile with a tear nod to nothing.
_NAMES = (
    (None, re.compile(r"BROKEN|TEAR|SWEAT|HORNS|UPSIDE|CAT |CONSTRUCTION")),
    (Pleasantry.GREETING, re.compile(r"^WAVING HAND")),
    (Pleasantry.THANKS, re.compile(r"FOLDED HANDS|^BOUQUET|^ROSE$")),
    (
        Pleasantry.ACKNOWLEDGEMENT,
        re.compile(
            r"^THUMBS UP|OK HAND|CLAPPING|RAISING BOTH HANDS|HANDSHAKE|FLEXED BICEPS|HUNDRED POINTS|CHECK MARK|"
            r"SMIL|GRIN|HUGGING|HEART|^STAR-STRUCK|PARTY|^SPARKLES|^GLOWING STAR"
        ),
    ),
)
# The phrases have "that s all", of which `words` would leave out the "s".
_APART = str.maketrans("'’", "  ")
_PUNCTUATION = frozenset(" \n.,!…)(:;-")


def pleasantry_of(text: str) -> Said | None:
    """None when anything else is said, too: that is a question."""
    said = words(text.translate(_APART))
    if not said:
        return _said_by_emoji(text)
    if len(said) > MOST_WORDS:
        return None
    found = _found(said) or _found([_without_drawl(word) for word in said])
    if not found or any(_asks_back(text, kinds) for kinds in found.values()):
        return None
    language, kinds = next(iter(found.items()))
    pleasantry = next(kind for kind in Pleasantry if kind in kinds)
    if pleasantry is Pleasantry.HUMAN and not affirmed(text):
        pleasantry = Pleasantry.ACKNOWLEDGEMENT
    if pleasantry is Pleasantry.HUMAN and kinds[0] is Pleasantry.THANKS:
        # "Thank you, human!" addresses one.
        pleasantry = Pleasantry.THANKS
    return Said(pleasantry=pleasantry, language=language if len(found) == 1 else "")


def _found(said: Sequence[str]) -> Mapping[str, Sequence[Pleasantry | None]]:
    return {language: kinds for language in _PHRASES if (kinds := _kinds(said, language))}


def _without_drawl(word: str) -> str:
    """ "Obrigadaaa" is "obrigada", "heeello" is "hello"."""
    return _DRAWL.sub(r"\1", word).rstrip(word[-1]) + word[-1]


def _said_by_emoji(text: str) -> Said | None:
    """By the names that Unicode gives them; None where one of them says something else, as 👎 does."""
    shown = {
        one for one in set(text[:_MOST_EMOJI]) - _PUNCTUATION if unicodedata.category(one) not in _JOINTS
    }
    kinds = {_kind_of_emoji(one) for one in shown}
    if not kinds or None in kinds or len(text) > _MOST_EMOJI:
        return None
    return Said(pleasantry=next(kind for kind in Pleasantry if kind in kinds), language="")


def _kind_of_emoji(character: str) -> Pleasantry | None:
    name = unicodedata.name(character, "")
    return next((kind for kind, pattern in _NAMES if pattern.search(name)), None)


def _asks_back(text: str, kinds: Sequence[Pleasantry | None]) -> bool:
    """ "Is that all?" wants an answer; "ok, how are you?" wants none of the shop's."""
    return "?" in text and Pleasantry.ACKNOWLEDGEMENT in kinds and Pleasantry.GREETING not in kinds


def _kinds(said: Sequence[str], language: str) -> Sequence[Pleasantry | None]:
    """Of each phrase in it; empty unless it begins with a pleasantry and is nothing but phrases."""
    if len(said) == 1 and said[0] in _ALONE[language]:
        return [Pleasantry.ACKNOWLEDGEMENT]
    phrases, kinds, place = _PHRASES[language], list[Pleasantry | None](), 0
    while place < len(said):
        phrase = _first_phrase(said[place:], phrases)
        if not phrase:
            return []
        kinds.append(phrases[phrase])
        place += len(phrase)
    return kinds if kinds[0] else []


def _first_phrase(said: Sequence[str], phrases: _Phrases) -> tuple[str, ...]:
    """The longest: of "good morning" nothing may stay behind."""
    beginnings = (tuple(said[:length]) for length in range(_LONGEST_PHRASE, 0, -1))
    return next((beginning for beginning in beginnings if beginning in phrases), ())
