"""Streams the answer to one question from the service into the customer's chat."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import common_pb2
from telegram.error import TelegramError
from telegram.ext import ExtBot

from bot import buttons
from bot.apologies import apology
from bot.places import Place
from bot.presence import typing
from bot.rendering import Range, Source, answer_messages, with_doubts
from bot.state import Chat, ChatStore
from bot.streaming import StreamedMessage
from bot.texts import Texts
from retrieval_service.client import CallFailed, Client
from retrieval_service.client.conversations import (
    ChannelQuestion,
    ServiceSession,
    SessionProof,
    is_cut_off,
    rateable_id,
)

CHANNEL = "telegram"

logger = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question with its place and its asker. A repeated `request_id` replays the stored answer.

    `visitor` is a keyed hash of the asker, by which the service counts questions.
    """

    text: str
    place: Place
    asker_id: int
    request_id: str
    visitor: str = ""


class Interruption(enum.Enum):
    """Why an answer ends before the service ended it."""

    STOPPED = "the customer pressed Stop"
    RESTART = "the bot is being restarted"


class Answering:
    """Reads the stream, shows it, and always ends with a complete answer or an honest note."""

    def __init__(
        self,
        question: Question,
        *,
        bot: ExtBot[Any],
        knowledge: Client,
        store: ChatStore,
        message: StreamedMessage,
        texts: Texts,
    ) -> None:
        self.question = question
        self._bot = bot
        self._knowledge = knowledge
        self._store = store
        self._message = message
        self._texts = texts
        self._text = ""
        self._references: list[common_pb2.Reference] = []
        self._doubts: list[Range] = []
        # Only complete answers can be rated.
        self._answer_id = ""
        # The default until the stream ends in a known way, so that a bug does not look like an answer.
        self._note = texts.failed
        self._interruption: Interruption | None = None
        self._waiting: asyncio.Timeout | None = None

    async def run(self) -> None:
        try:
            await self._read()
        except CallFailed as error:
            self._note = apology(error, self._texts)
            logger.warning("answer_failed", code=error.code, reason=error.reason, request_id=error.request_id)
        except asyncio.CancelledError:
            self._note = self._texts.interrupted
            raise
        finally:
            await self._finish()

    def interrupt(self, interruption: Interruption) -> None:
        """Ends the call before the next event. Frames that are being sent are completed."""
        self._interruption = self._interruption or interruption
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def _read(self) -> None:
        async with typing(self._bot, self.question.place) as end_typing:
            session = await self._session()
            asked = ChannelQuestion(
                text=self.question.text, request_id=self.question.request_id, visitor=self.question.visitor
            )
            # Closing the stream does not stop the answer. The same question after a restart finds the complete
            # answer.
            async with aclosing(session.ask(asked)) as events:
                while (event := await self._next(events)) is not None:
                    self._take(event)
                    await self._message.frame(with_doubts(self._text, self._doubts))
                    if self._message.is_visible:
                        end_typing()
            if self._interruption is Interruption.STOPPED:
                await session.cancel(self.question.request_id)
        if self._interruption is not None:
            self._note = self._words_for(self._interruption)

    async def _session(self) -> ServiceSession:
        chat = await self._store.chat(self.question.place.chat_id)
        return ServiceSession(
            self._knowledge,
            channel=CHANNEL,
            user_key=chat.customer,
            language=self._texts.code,
            opened=partial(self._remember, chat),
            proof=SessionProof(session_id=chat.session_id, session_token=chat.session_token),
        )

    async def _remember(self, chat: Chat, proof: SessionProof) -> None:
        if chat.binding is not None:
            await self._store.set_session(
                chat.chat_id,
                chat.binding.tenant_id,
                session_id=proof.session_id,
                session_token=proof.session_token,
            )

    async def _next(
        self, events: AsyncIterator[answers_pb.StreamAnswerResponse]
    ) -> answers_pb.StreamAnswerResponse | None:
        """The next event; None at the end and when interrupted. An interruption moves the deadline to now."""
        if self._interruption is not None:
            return None
        try:
            async with asyncio.timeout(None) as self._waiting:
                return await anext(events, None)
        except TimeoutError:
            return None
        finally:
            self._waiting = None

    def _take(self, event: answers_pb.StreamAnswerResponse) -> None:
        match event.WhichOneof("event"):
            case "started":
                self._references = list(event.started.references)
            case "delta":
                self._text += event.delta.text
            case "unsupported":
                self._doubts += doubts([event.unsupported])
            case "completed":
                self._complete(event.completed)
            case _:
                # Citations are in the text as [1]. Unknown kinds of events are for newer bots.
                pass

    def _complete(self, completed: answers_pb.AnswerCompleted) -> None:
        self._answer_id = rateable_id(completed)
        self._text = completed.answer.text or self._text
        self._doubts = doubts(completed.answer.unsupported)
        self._references = list(completed.answer.references) or self._references
        self._note = note_of(completed, self._texts)
        self._interruption = None

    def _words_for(self, interruption: Interruption) -> str:
        return self._texts.stopped if interruption is Interruption.STOPPED else self._texts.interrupted

    async def _finish(self) -> None:
        note = self._note or ("" if self._text.strip() else self._texts.empty_answer)
        messages = await asyncio.to_thread(
            answer_messages,
            self._text,
            sources(self._references),
            sources_heading=self._texts.sources,
            note=note,
            doubts=self._doubts,
            footnote=self._texts.not_confirmed,
        )
        try:
            await self._message.final(messages, buttons.thumbs(self._answer_id))
        except TelegramError as error:
            # The customer blocked the bot, or Telegram is away. Nobody can be told.
            logger.warning("answer_undelivered", error=type(error).__name__)


def note_of(completed: answers_pb.AnswerCompleted, texts: Texts) -> str:
    """The note below an answer that is incomplete or not a plain answer."""
    if is_cut_off(completed):
        return texts.interrupted
    notes = {
        answers_pb.FINISH_REASON_LENGTH: texts.cut_short,
        answers_pb.FINISH_REASON_NOT_SURE: texts.not_sure,
    }
    return notes.get(completed.finish_reason) or (texts.model_away if completed.model_away else "")


def doubts(unsupported: Iterable[answers_pb.UnsupportedRange]) -> list[Range]:
    return [(one.start_offset, one.end_offset) for one in unsupported]


def sources(references: Iterable[common_pb2.Reference]) -> list[Source]:
    return [Source(number=r.number, title=r.title, url=r.url) for r in references]
