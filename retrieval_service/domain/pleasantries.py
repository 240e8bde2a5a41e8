"""Greetings and thanks that ask for nothing: no document has to do with them, and none is needed; ru, en and pt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from retrieval_service.domain.words import words

Phrases = tuple[tuple[str, ...], ...]

# "Good morning to all of you" is one; whoever writes more wants more.
MOST_WORDS = 6


class Pleasantry(StrEnum):
    """What is said back to it differs."""

    GREETING = "greeting"
    THANKS = "thanks"


@dataclass(frozen=True, kw_only=True)
class Said:
    """A pleasantry and the language it was said in."""

    pleasantry: Pleasantry
    language: str


def _phrases(text: str) -> Phrases:
    """Longest first: of "good morning" nothing may stay behind."""
    lines = (tuple(line.split()) for line in text.strip().splitlines())
    return tuple(sorted(lines, key=len, reverse=True))


_GREETINGS = {
    "ru": _phrases(
        """
        привет
        приветик
        приветствую
        здравствуй
        здравствуйте
        доброе утро
        добрый день
        добрый вечер
        доброго дня
        доброго времени суток
        """
    ),
    "en": _phrases(
        """
        hi
        hello
        hey
        good morning
        good day
        good afternoon
        good evening
        """
    ),
    "pt": _phrases(
        """
        oi
        olá
        ola
        bom dia
        boa tarde
        boa noite
        tudo bem
        """
    ),
}
_THANKS = {
    "ru": _phrases(
        """
        спасибо
        спасибо большое
        большое спасибо
        спасибо вам
        огромное спасибо
        благодарю
        благодарю вас
        """
    ),
    "en": _phrases(
        """
        thanks
        thanks a lot
        many thanks
        thank you
        thank you very much
        thank you so much
        """
    ),
    "pt": _phrases(
        """
        obrigado
        obrigada
        muito obrigado
        muito obrigada
        valeu
        """
    ),
}
_BESIDE = {
    "ru": _phrases("всем\nвам\nза помощь\nза ответ"),
    "en": _phrases("there\nall\neveryone\nfor your help\nfor the answer"),
    "pt": _phrases("pessoal\na todos\npela ajuda\npela resposta"),
}


def pleasantry_of(text: str) -> Said | None:
    """None when anything else is said, too: that is a question."""
    said = words(text)
    if not 0 < len(said) <= MOST_WORDS:
        return None
    for language in _GREETINGS:
        thanks, greetings, beside = _THANKS[language], _GREETINGS[language], _BESIDE[language]
        if _consists_of(said, (*thanks, *greetings), beside):
            is_thanks = any(_begins(said[place:], thanks) for place in range(len(said)))
            pleasantry = Pleasantry.THANKS if is_thanks else Pleasantry.GREETING
            return Said(pleasantry=pleasantry, language=language)
    return None


def _consists_of(said: list[str], phrases: Phrases, beside: Phrases) -> bool:
    """Whether it begins with one of the phrases, and only they and what is said beside them follow."""
    length = _begins(said, tuple(sorted(phrases, key=len, reverse=True)))
    everything = tuple(sorted((*phrases, *beside), key=len, reverse=True))
    while length and (said := said[length:]):
        length = _begins(said, everything)
    return length > 0


def _begins(said: list[str], phrases: Phrases) -> int:
    """How many words the longest phrase at the beginning has."""
    return next((len(phrase) for phrase in phrases if tuple(said[: len(phrase)]) == phrase), 0)
