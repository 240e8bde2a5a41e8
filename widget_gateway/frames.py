"""The protocol `kladez.v1`: JSON text frames from the widget, checked, and frames to it, built.

A frame is an object whose `t` says its kind. Kinds and members that are not listed here are ignored on both
sides, so that either may be newer (the widget also sends `page`, for which the service has no field yet).
Ranges of text go out in UTF-16 units, which is how JavaScript counts; the service counts code points.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

from widget_gateway.session import (
    Attribution,
    Delta,
    Done,
    Doubt,
    Doubted,
    Failed,
    Snapshot,
    Source,
    Sources,
    Unknown,
)

SUBPROTOCOL = "kladez.v1"
VERSION = 1
HAVE_AT_MOST = 60
REASON_CHARACTERS = 1_000

Json = dict[str, Any]

_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_HIGHEST_ONE_UNIT = "\uffff"


class BadFrame(Exception):
    """The text is not a frame of this protocol; `str()` says why and may be sent as a close reason."""


@dataclass(frozen=True, kw_only=True)
class Hello:
    """The first frame. `have` maps the ids of unfinished answers to the last event seen."""

    shop: str
    session_id: str = ""
    token: str = ""
    language: str = ""
    have: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A question; the same id again never makes a second answer."""

    ask_id: str
    question: str


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """Stop this answer."""

    ask_id: str


@dataclass(frozen=True, kw_only=True)
class Resume:
    """An event of this answer was lost: send a snapshot."""

    ask_id: str


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """Whether an answer helped: 1 or -1, and perhaps why. `answer_id` came with the end of the answer."""

    ask_id: str
    answer_id: str
    value: int
    reason: str = ""


@dataclass(frozen=True)
class GoOn:
    """Asks for a link that continues the conversation in Telegram."""


@dataclass(frozen=True)
class Ping:
    """Asks whether the gateway is alive."""


@dataclass(frozen=True)
class End:
    """Forget the conversation."""


@dataclass(frozen=True)
class Ignored:
    """A kind this gateway does not know."""


ClientFrame = Hello | Ask | Cancel | Resume | Feedback | GoOn | Ping | End | Ignored


@dataclass(frozen=True, kw_only=True)
class Session:
    """Proof that the conversation is the widget's own. It changes when the conversation continues elsewhere."""

    session_id: str
    token: str
    expires: int


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """The answer to `Hello`: the session and what the chat shows first."""

    session: Session
    heartbeat_seconds: float
    question_characters: int
    title: str
    greeting: str
    suggested: tuple[str, ...]
    has_telegram: bool = False


@dataclass(frozen=True)
class Link:
    """The answer to `GoOn`; the link works once, for ten minutes."""

    url: str


@dataclass(frozen=True)
class Draining:
    """The gateway is stopping: open answers are finished, new questions belong to the next connection."""


@dataclass(frozen=True)
class Pong:
    """The answer to `Ping`."""


@dataclass(frozen=True, kw_only=True)
class Rated:
    """The service has stored whether the answer helped."""

    ask_id: str
    value: int


ServerFrame = (
    Welcome
    | Link
    | Session
    | Sources
    | Delta
    | Doubted
    | Done
    | Failed
    | Snapshot
    | Unknown
    | Draining
    | Pong
    | Rated
)


def parse(text: str) -> ClientFrame:
    """Parses any text; raises nothing but `BadFrame`."""
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFrame("not JSON") from error
    if not isinstance(frame, dict):
        raise BadFrame("not an object")
    kind = frame.get("t")
    parser = _PARSERS.get(kind) if isinstance(kind, str) else None
    return parser(frame) if parser else Ignored()


def _hello(frame: Json) -> Hello:
    if frame.get("v") != VERSION:
        raise BadFrame("unsupported version")
    return Hello(
        shop=_text(frame, "shop", 64),
        session_id=_text(frame, "sid", 64),
        token=_text(frame, "token", 256),
        language=_language(frame.get("lang")),
        have=_have(frame.get("have", {})),
    )


def _have(value: object) -> dict[str, int]:
    if not isinstance(value, dict) or len(value) > HAVE_AT_MOST:
        raise BadFrame("bad have")
    if not all(_is_id(key) and type(number) is int for key, number in value.items()):
        raise BadFrame("bad have")
    return value


def _ask(frame: Json) -> Ask:
    question = _text(frame, "q", None).replace("\0", "").strip()
    return Ask(ask_id=_ask_id(frame), question=question)


def _feedback(frame: Json) -> Feedback:
    answer_id, value = frame.get("aid"), frame.get("v")
    if not isinstance(answer_id, str) or not _UUID.fullmatch(answer_id):
        raise BadFrame("bad aid")
    if type(value) is not int or value not in (1, -1):
        raise BadFrame("bad v")
    reason = _text(frame, "reason", REASON_CHARACTERS).replace("\0", "")
    return Feedback(ask_id=_ask_id(frame), answer_id=answer_id, value=value, reason=reason)


def _ask_id(frame: Json) -> str:
    ask_id = frame.get("id")
    if not isinstance(ask_id, str) or not _is_id(ask_id):
        raise BadFrame("bad id")
    return ask_id


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _language(value: object) -> str:
    return value if isinstance(value, str) and _LANGUAGE.fullmatch(value) else ""


def _text(frame: Json, member: str, longest: int | None) -> str:
    """The member or "". A lone surrogate, which JSON allows and UTF-8 does not, becomes "?"."""
    value = frame.get(member, "")
    if not isinstance(value, str) or (longest is not None and len(value) > longest):
        raise BadFrame(f"bad {member}")
    return value.encode("utf-8", "replace").decode()


_PARSERS: dict[str, Callable[[Json], ClientFrame]] = {
    "hello": _hello,
    "ask": _ask,
    "cancel": lambda frame: Cancel(ask_id=_ask_id(frame)),
    "resume": lambda frame: Resume(ask_id=_ask_id(frame)),
    "feedback": _feedback,
    "telegram": lambda _: GoOn(),
    "ping": lambda _: Ping(),
    "end": lambda _: End(),
}


def encode(frame: ServerFrame) -> str:
    return json.dumps(_members(frame), ensure_ascii=False, separators=(",", ":"))


@singledispatch
def _members(frame: ServerFrame) -> Json:
    raise TypeError(f"{type(frame).__name__} is no frame")


@_members.register
def _(frame: Welcome) -> Json:
    return {
        **_members(frame.session),
        "t": "welcome",
        "v": VERSION,
        "hb": round(frame.heartbeat_seconds * 1000),
        "limits": {"question": frame.question_characters},
        "config": {
            "title": frame.title,
            "greeting": frame.greeting,
            "suggested": list(frame.suggested),
            **({"telegram": True} if frame.has_telegram else {}),
        },
    }


@_members.register
def _(frame: Link) -> Json:
    return {"t": "telegram", "url": frame.url}


@_members.register
def _(frame: Session) -> Json:
    return {"t": "session", "sid": frame.session_id, "token": frame.token, "exp": frame.expires}


@_members.register
def _(frame: Sources) -> Json:
    return {"t": "citations", "id": frame.ask_id, "n": frame.number, "items": _items(frame.items)}


@_members.register
def _(frame: Delta) -> Json:
    return {"t": "delta", "id": frame.ask_id, "n": frame.number, "d": frame.text}


@_members.register
def _(frame: Doubted) -> Json:
    [place] = doubtful(frame.text, (frame.doubt,))
    return {"t": "doubt", "id": frame.ask_id, "n": frame.number, "range": place}


@_members.register
def _(frame: Done) -> Json:
    return {
        "t": "done",
        "id": frame.ask_id,
        "n": frame.number,
        "status": frame.status,
        "finish_reason": frame.finish_reason,
        "ranges": ranges(frame.text, frame.attributions),
        **_answer_id(frame.answer_id),
    }


@_members.register
def _(frame: Failed) -> Json:
    event = {"t": "error", "id": frame.ask_id, **_failure(frame.code, frame.retry_after)}
    return {**event, "n": frame.number} if frame.number else event


@_members.register
def _(frame: Snapshot) -> Json:
    return {
        "t": "snapshot",
        "id": frame.ask_id,
        "n": frame.number,
        "text": frame.text,
        "items": _items(frame.sources),
        "status": frame.status,
        "finish_reason": frame.finish_reason,
        "ranges": ranges(frame.text, frame.attributions),
        "doubts": doubtful(frame.text, frame.doubts),
        **_answer_id(frame.answer_id),
        **_failure(frame.code, frame.retry_after),
    }


@_members.register
def _(frame: Unknown) -> Json:
    return {"t": "unknown", "id": frame.ask_id}


@_members.register
def _(_frame: Draining) -> Json:
    return {"t": "draining"}


@_members.register
def _(_frame: Pong) -> Json:
    return {"t": "pong"}


@_members.register
def _(frame: Rated) -> Json:
    return {"t": "rated", "id": frame.ask_id, "v": frame.value}


def _answer_id(answer_id: str) -> Json:
    return {"aid": answer_id} if answer_id else {}


def _failure(code: str, retry_after: float | None) -> Json:
    failure: Json = {"code": code} if code else {}
    return {**failure, "retry_after": round(retry_after, 1)} if retry_after else failure


def _items(sources: tuple[Source, ...]) -> list[Json]:
    return [
        {
            "i": source.number,
            "title": source.title,
            "url": source.url,
            "snippet": source.snippet,
            "source_type": source.source_type,
        }
        for source in sources
    ]


def ranges(text: str, attributions: tuple[Attribution, ...]) -> list[list[Any]]:
    """`[start, end, [numbers]]` in UTF-16 units; ends that lie outside the text are moved to its edge."""
    units = _units_of(text)
    return [[units(item.start), units(item.end), list(item.numbers)] for item in attributions]


def doubtful(text: str, doubts: Iterable[Doubt]) -> list[list[int]]:
    """`[start, end]` as in `ranges`."""
    units = _units_of(text)
    return [[units(doubt.start), units(doubt.end)] for doubt in doubts]


def _units_of(text: str) -> Callable[[int], int]:
    pairs = [place for place, character in enumerate(text) if character > _HIGHEST_ONE_UNIT]

    def units(offset: int) -> int:
        inside = min(max(offset, 0), len(text))
        return inside + bisect_left(pairs, inside)

    return units
