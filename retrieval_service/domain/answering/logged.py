"""Answers and turns of a conversation as the chat log keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class LoggedAnswer:
    """A row of the chat log; `context` are the references, `citations` are `[start, end, [numbers]]`.

    `unsupported` are `[start, end, reason]`. `request_hash` is that of the question; older rows have none.
    """

    id: UUID
    session_id: UUID | None
    request_id: UUID | None
    question: str
    answer: str
    language: str
    context: Sequence[Mapping[str, Any]]
    citations: Sequence[Sequence[Any]]
    status: str
    finish_reason: str
    answerer: str
    input_tokens: int
    output_tokens: int
    created_at: datetime
    degraded_reason: str
    standalone_question: str
    unsupported: Sequence[Sequence[Any]]
    wants_human: bool = False
    request_hash: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class LoggedTurn:
    """What a later question of the same conversation needs of an earlier one; fields are as in `LoggedAnswer`.

    `titles` are by the numbers of the references. One that `is_offer` only said what may help, and was not replied to.
    """

    question: str
    standalone_question: str
    titles: Mapping[str, str]
    citations: Sequence[Sequence[Any]]
    is_offer: bool


@dataclass(frozen=True, kw_only=True)
class AnswerOutcome:
    """How an answer ended; times in milliseconds since the question came."""

    answer: str
    language: str
    context: Sequence[Mapping[str, Any]]
    citations: Sequence[Sequence[Any]]
    status: str
    finish_reason: str
    answerer: str
    input_tokens: int
    output_tokens: int
    first_token_ms: int | None
    latency_ms: int
    degraded_reason: str = ""
    standalone_question: str = ""
    unsupported: Sequence[Sequence[Any]] = ()
    wants_human: bool = False
