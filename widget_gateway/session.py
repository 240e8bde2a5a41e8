"""The answers of one conversation as a pure state machine, with the events for its readers.

Events of one answer are numbered from 1 without gaps. A reader that missed one asks for a snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ANSWERS_REMEMBERED = 30
PLEASANTRY = "pleasantry"


class Status(StrEnum):
    """Where an answer stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A passage that the answer uses; `number` is in the text as [1]."""

    number: int
    title: str
    url: str
    snippet: str
    source_type: str


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """A range of the text, in code points, and the numbers of its sources."""

    start: int
    end: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A sentence, in code points of the text, that the sources do not confirm."""

    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Doubted:
    """A sentence that was sent before is not confirmed by the sources; `text` is all there is so far."""

    ask_id: str
    number: int
    text: str
    doubt: Doubt


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The passages are known."""

    ask_id: str
    number: int
    items: tuple[Source, ...]


@dataclass(frozen=True, kw_only=True)
class Delta:
    """Text to append."""

    ask_id: str
    number: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Done:
    """The answer ended: whole, or cancelled by the reader. `answer_id` is the service's, of one that can be rated."""

    ask_id: str
    number: int
    status: Status
    finish_reason: str
    text: str
    attributions: tuple[Attribution, ...]
    answer_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The answer ended early; `number` is 0 when it never began."""

    ask_id: str
    number: int
    code: str
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One answer with all its text and sources up to event `number`."""

    ask_id: str
    number: int
    text: str
    status: Status
    sources: tuple[Source, ...]
    attributions: tuple[Attribution, ...]
    finish_reason: str
    code: str
    retry_after: float | None
    answer_id: str = ""
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """The answer is unknown: the reader asks again under the same id."""

    ask_id: str


Event = Sources | Delta | Doubted | Done | Failed
Reply = Snapshot | Unknown


class Conversation:
    """Answers by the ids that the reader gave to the questions."""

    __slots__ = ("_answers", "_remembered")

    def __init__(self, *, remembered: int = ANSWERS_REMEMBERED) -> None:
        self._answers: dict[str, _Answer] = {}
        self._remembered = remembered

    def __contains__(self, ask_id: str) -> bool:
        return ask_id in self._answers

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def running(self) -> int:
        """The number of answers that are being written."""
        return sum(answer.running for answer in self._answers.values())

    def begin(self, ask_id: str) -> None:
        """Opens an answer; the id must be new. The oldest finished answers are forgotten."""
        if ask_id in self._answers:
            raise ValueError(f"the answer {ask_id} has begun before")
        self._answers[ask_id] = _Answer(ask_id=ask_id)
        self._forget_oldest()

    def has_begun(self, ask_id: str) -> bool:
        """Whether a reader was told anything about this answer."""
        return self._number(ask_id) > 0

    def cite(self, ask_id: str, sources: tuple[Source, ...]) -> Sources | None:
        """Returns None when the answer has ended, as do the methods below."""
        answer = self._open(ask_id)
        return answer.cite(sources) if answer else None

    def write(self, ask_id: str, text: str) -> Delta | None:
        answer = self._open(ask_id)
        return answer.write(text) if answer and text else None

    def attribute(self, ask_id: str, attribution: Attribution) -> None:
        """Kept for the end and for snapshots; there is no event for it."""
        answer = self._open(ask_id)
        if answer:
            answer.attributions.append(attribution)

    def doubt(self, ask_id: str, doubt: Doubt) -> Doubted | None:
        answer = self._open(ask_id)
        return answer.doubt(doubt) if answer else None

    def finish(self, ask_id: str, finish_reason: str, answer_id: str = "") -> Done | None:
        """`answer_id` is the service's, for readers who say whether it helped."""
        answer = self._open(ask_id)
        if answer is None:
            return None
        answer.answer_id = answer_id
        return answer.finish(Status.DONE, finish_reason)

    def cancel(self, ask_id: str) -> Done | None:
        answer = self._open(ask_id)
        return answer.finish(Status.CANCELLED, "") if answer else None

    def fail(self, ask_id: str, code: str, retry_after: float | None = None) -> Failed | None:
        answer = self._open(ask_id)
        return answer.fail(code, retry_after) if answer else None

    def snapshot(self, ask_id: str) -> Reply:
        answer = self._answers.get(ask_id)
        return answer.snapshot() if answer else Unknown(ask_id=ask_id)

    def catch_up(self, have: Mapping[str, int]) -> list[Reply]:
        """The events that a reader lacks when it holds event `have[ask_id]` of each answer."""
        return [self.snapshot(ask_id) for ask_id, number in have.items() if self._number(ask_id) != number]

    def _open(self, ask_id: str) -> _Answer | None:
        answer = self._answers.get(ask_id)
        return answer if answer and answer.running else None

    def _number(self, ask_id: str) -> int:
        answer = self._answers.get(ask_id)
        return answer.number if answer else -1

    def _forget_oldest(self) -> None:
        ended = [ask_id for ask_id, answer in self._answers.items() if not answer.running]
        for ask_id in ended[: max(0, len(self._answers) - self._remembered)]:
            del self._answers[ask_id]


@dataclass(kw_only=True)
class _Answer:
    ask_id: str
    number: int = 0
    status: Status = Status.RUNNING
    pieces: list[str] = field(default_factory=list)
    sources: tuple[Source, ...] = ()
    attributions: list[Attribution] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    finish_reason: str = ""
    code: str = ""
    retry_after: float | None = None
    answer_id: str = ""

    @property
    def running(self) -> bool:
        return self.status is Status.RUNNING

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def cite(self, sources: tuple[Source, ...]) -> Sources:
        self.sources = sources
        return Sources(ask_id=self.ask_id, number=self._next(), items=sources)

    def write(self, text: str) -> Delta:
        self.pieces.append(text)
        return Delta(ask_id=self.ask_id, number=self._next(), text=text)

    def doubt(self, doubt: Doubt) -> Doubted:
        self.doubts.append(doubt)
        return Doubted(ask_id=self.ask_id, number=self._next(), text=self.text, doubt=doubt)

    def finish(self, status: Status, finish_reason: str) -> Done:
        self.status, self.finish_reason = status, finish_reason
        return Done(
            ask_id=self.ask_id,
            number=self._next(),
            status=status,
            finish_reason=finish_reason,
            text=self.text,
            attributions=tuple(self.attributions),
            answer_id=self.answer_id,
        )

    def fail(self, code: str, retry_after: float | None) -> Failed:
        self.status, self.code, self.retry_after = Status.FAILED, code, retry_after
        return Failed(ask_id=self.ask_id, number=self._next(), code=code, retry_after=retry_after)

    def snapshot(self) -> Snapshot:
        return Snapshot(
            ask_id=self.ask_id,
            number=self.number,
            text=self.text,
            status=self.status,
            sources=self.sources,
            attributions=tuple(self.attributions),
            finish_reason=self.finish_reason,
            code=self.code,
            retry_after=self.retry_after,
            answer_id=self.answer_id,
            doubts=tuple(self.doubts),
        )

    def _next(self) -> int:
        self.number += 1
        return self.number
