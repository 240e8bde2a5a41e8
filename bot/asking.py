"""Starts an answer to a question in a chat, or says at once why it cannot."""

from __future__ import annotations

import hmac
import uuid

from telegram import Message, Update

from bot import buttons
from bot.answering import Answering, Question
from bot.apologies import apology
from bot.context import Context, texts_for
from bot.jobs import Admission
from bot.places import Place
from bot.shops import UnknownShop, find_shop
from bot.state import Chat
from bot.streaming import StreamedMessage
from bot.texts import Texts
from retrieval_service.client import CallFailed

QUESTION_CHARACTERS = 2000


async def answer(update: Update, context: Context, asked: Message, text: str) -> None:
    """Starts the answer to `text` below the message `asked`, or replies with the reason why not."""
    chat = await context.services.store.chat(asked.chat_id)
    texts = texts_for(update, chat)
    refusal = unanswerable(text, texts) or await unbound(context, chat, texts)
    if not refusal:
        question = Question(
            text=text,
            place=place_of(asked),
            asker_id=update.effective_user.id if update.effective_user else 0,
            request_id=request_id(context.bot.id, update.update_id),
            visitor=visitor(update, context),
        )
        refusal = await begin(context, asked, question, texts)
    if refusal:
        await asked.reply_text(refusal)


def unanswerable(text: str, texts: Texts) -> str:
    """Why the service would refuse the question; empty when it would accept it."""
    if not text:
        return texts.help
    is_too_long = len(text) > QUESTION_CHARACTERS
    return texts.too_long.format(limit=QUESTION_CHARACTERS) if is_too_long else ""


async def unbound(context: Context, chat: Chat, texts: Texts) -> str:
    """Binds a chat without a shop to the bot's own shop; returns what to say when there is none."""
    if chat.binding is not None:
        return ""
    try:
        shop = await find_shop(context.services.knowledge, context.services.settings.bot_default_shop)
    except UnknownShop:
        return texts.no_shop
    except CallFailed as error:
        return apology(error, texts)
    await context.services.store.bind(chat.chat_id, shop.binding)
    return ""


async def begin(context: Context, asked: Message, question: Question, texts: Texts) -> str:
    """Queues the answer; returns what to say when it is refused."""
    chat = await context.services.store.chat(question.place.chat_id)
    if chat.binding is None:
        return texts.no_shop
    answering = Answering(
        question,
        bot=context.bot,
        knowledge=context.services.knowledge.for_tenant(chat.binding.tenant_id),
        store=context.services.store,
        message=streamed_message(context, asked, question.place, texts),
        texts=texts,
    )
    admission = await context.services.jobs.start(answering)
    refusals = {Admission.STILL_ANSWERING: texts.still_answering, Admission.FULL: texts.too_busy}
    return refusals.get(admission, "")


def streamed_message(context: Context, asked: Message, place: Place, texts: Texts) -> StreamedMessage:
    configured = context.services.settings.bot_edit_interval_seconds
    return StreamedMessage(
        context.bot,
        place,
        interval_seconds=place.edit_interval_seconds(configured),
        stop_button=buttons.stop(texts),
        # In a group several people may ask, so the answer is a reply.
        reply_to=asked.message_id if place.is_group else None,
    )


def place_of(message: Message) -> Place:
    """Only topics of a forum are separate places; reply threads of plain groups are not."""
    thread_id = message.message_thread_id if message.is_topic_message else None
    return Place(chat_id=message.chat_id, thread_id=thread_id)


def visitor(update: Update, context: Context) -> str:
    """A keyed hash of the person, or of the chat where no person is named; stable over restarts."""
    asker = update.effective_user or update.effective_chat
    key = context.services.settings.bot_token.get_secret_value().encode()
    return hmac.digest(key, f"visitor:{asker.id if asker else ''}".encode(), "sha256").hex()[:32]


def request_id(bot_id: int, update_id: int) -> str:
    """The same for a repeated update, so that the stored answer is replayed."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"telegram:{bot_id}:{update_id}"))
