"""Holds every sentence of an answer to its sources: what cites nothing, or states what they do not, is flagged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from retrieval_service.domain.citations import Cited, Delta
from retrieval_service.domain.facts import facts_of, is_known, known_from, numbers_in
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.quotes import SHORT_SENTENCE
from retrieval_service.domain.sentences import Sentence, bullet_length, split_sentences

_MARKER = re.compile(r"\[[0-9]{1,3}\]")
_DECORATION = re.compile(r"[*_`#>|~\s-]+")
_HEADING = re.compile(r"#{1,6} |\*\*[^*]+\*\*:?\Z")
_GREETING = re.compile(
    r"(?:здравствуй|привет|добр(?:ый|ое|ого)\s|спасибо|пожалуйста|благодар|рад[аы]?\s+помочь|обращайтесь|"
    r"hello|hi\b|hey\b|good (?:morning|day|evening|afternoon)|thank|you're welcome|glad to help|of course|sure\b|"
    r"olá|oi\b|bo[am] (?:dia|tarde|noite)|obrigad|de nada|claro\b|com prazer)",
    re.IGNORECASE,
)
_LONGEST_GREETING = 60
_DENIAL = re.compile(
    r"(?:я\s+)?не знаю\b|(?:нет|не наш\w+|не содерж\w+|не указан\w*|отсутству\w+)\s+(?:\w+\s+){0,3}"
    r"(?:информаци|сведени|данны|ответ)|ничего (?:нет|не сказано)|(?:информаци|сведени|данны|ответ)\w* (?:\w+ ){0,4}"
    r"(?:нет\b|не наш|не найден|не указан|отсутству)|не мо(?:гу|жем) (?:на это )?ответить|ответить не могу|"
    r"\b(?:do|does|did)(?: not|n't) (?:know|say|contain|mention|specify|include|have information)|"
    r"\bno (?:information|mention|answer)|\b(?:is|are)(?: not|n't) (?:mentioned|specified|stated)|"
    r"\b(?:cannot|can't|can not|could not|couldn't) (?:answer|find)|"
    r"não sei\b|não (?:posso|consigo) responder|não (?:há|consta\w*|encontr\w+|diz\w*|menciona\w*|cont[eé]m|tenho)"
    r" (?:\w+ ){0,3}(?:informa|nada|resposta|sobre|isso)|não diz(?:em)? nada",
    re.IGNORECASE,
)


class Reason(StrEnum):
    """Why a sentence is not from the sources."""

    NOT_CITED = "not_cited"
    FACT_NOT_IN_SOURCE = "fact_not_in_source"


@dataclass(frozen=True, kw_only=True)
class Flagged:
    """Code points `start` to `end` of the joined deltas are not from the sources."""

    start: int
    end: int
    reason: Reason


class Grounding:
    """Give it the events of a `CitationStream` in their order; a line is judged when the next one begins,
    by one that is patient not before the end.

    `trusted` are texts of the tenant itself: what it says of its contact needs no source. Bare numbers may
    also come from what was `asked`: "order 20931".
    """

    def __init__(
        self,
        fragments: Iterable[Fragment],
        *,
        trusted: Sequence[str] = (),
        asked: Sequence[str] = (),
        is_patient: bool = False,
    ) -> None:
        texts = {one.number: f"{one.title}\n{one.text}\n{one.url}" for one in fragments}
        self._texts = texts
        self._known: dict[int, frozenset[str]] = {}
        self._trusted = tuple(text for text in trusted if text)
        self._known_before = known_from(self._trusted) | numbers_in(asked)
        self._text = ""
        self._judged = 0
        self._cited: list[Cited] = []
        self._is_patient = is_patient

    def take(self, event: Delta | Cited) -> list[Flagged]:
        """What can be said of the sentences before this event."""
        if isinstance(event, Cited):
            self._cited.append(event)
            return []
        self._text += event.text
        # One endless line would be read again with every word of it.
        is_one_line = self._text.find("\n", self._judged) < 0
        return [] if self._is_patient or is_one_line else self._judge(self._last_line_start())

    def finish(self) -> list[Flagged]:
        return self._judge(len(self._text))

    def _last_line_start(self) -> int:
        """Where the last line with words begins: only it may still be cited."""
        words = _words(self._text[self._judged :])
        return self._judged + words.rfind("\n", 0, len(words.rstrip())) + 1

    def _judge(self, end: int) -> list[Flagged]:
        start, self._judged = self._judged, max(self._judged, end)
        if start >= end:
            return []
        lines = re.finditer(r"[^\n]+", _words(self._text[start:end]))
        return [flag for line in lines for flag in self._judge_line(start + line.start(), line[0])]

    def _judge_line(self, offset: int, line: str) -> Iterator[Flagged]:
        bullet = bullet_length(line)
        if _HEADING.match(line.strip()):
            return
        sentences = split_sentences(line[bullet:])
        for position, sentence in enumerate(sentences):
            place = offset + bullet
            numbers = self._numbers(place + sentence.start, place + sentence.end)
            following = sentences[position + 1] if position + 1 < len(sentences) else None
            # "Yes." rests on what the next sentence cites.
            if not numbers and following and len(sentence.text) < SHORT_SENTENCE:
                numbers = self._numbers(place + following.start, place + following.end)
            reason = self._reason(sentence, numbers)
            if reason:
                yield Flagged(start=place + sentence.start, end=place + sentence.end, reason=reason)

    def _numbers(self, start: int, end: int) -> set[int]:
        overlapping = (cited for cited in self._cited if cited.start < end and start < cited.end)
        return {number for cited in overlapping for number in cited.numbers}

    def _reason(self, sentence: Sentence, numbers: set[int]) -> Reason | None:
        text = " ".join(sentence.text.split())
        known = frozenset[str]().union(*(self._known_from(number) for number in numbers))
        unknown = [fact for fact in facts_of(text) if not is_known(fact, known | self._known_before)]
        if numbers:
            return Reason.FACT_NOT_IN_SOURCE if unknown else None
        is_claim = unknown or not (is_no_claim(text) or any(said in text for said in self._trusted))
        return Reason.NOT_CITED if is_claim else None

    def _known_from(self, number: int) -> frozenset[str]:
        if number not in self._known:
            self._known[number] = known_from([self._texts.get(number, "")])
        return self._known[number]


def is_no_claim(text: str) -> bool:
    """Greetings, questions, lead-ins and "I don't know" rest on nothing."""
    words = _DECORATION.sub(" ", text).strip()
    if not any(character.isalnum() for character in words):
        return True
    is_greeting = len(words) <= _LONGEST_GREETING and _GREETING.match(words) is not None
    return words.endswith((":", "?")) or is_greeting or _DENIAL.search(words) is not None


def is_denial(text: str) -> bool:
    """Whether it says, in whatever words, that the sources have no answer."""
    return _DENIAL.search(_DECORATION.sub(" ", text)) is not None


def _words(text: str) -> str:
    """The text with blanks in place of its markers."""
    return _MARKER.sub(lambda marker: " " * len(marker[0]), text)
