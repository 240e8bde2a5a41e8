"""Thumbs below an answer, and the reasons after a thumb down."""

from __future__ import annotations

from kladez.v1 import answer_service_pb2 as answers_pb
from telegram import CallbackQuery, InlineKeyboardMarkup, Message, Update
from telegram.ext import CallbackQueryHandler

from bot import buttons
from bot.apologies import apology
from bot.context import BotApplication, Context, texts_for
from bot.state import Chat
from bot.texts import Texts
from retrieval_service.client import CallFailed


def register(application: BotApplication) -> None:
    application.add_handler(CallbackQueryHandler(thumb_up, pattern=f"^{buttons.UP}"))
    application.add_handler(CallbackQueryHandler(thumb_down, pattern=f"^{buttons.DOWN}"))
    application.add_handler(CallbackQueryHandler(reason, pattern=f"^{buttons.REASON}"))


async def thumb_up(update: Update, context: Context) -> None:
    await rate(update, context, answers_pb.RATING_UP)


async def thumb_down(update: Update, context: Context) -> None:
    await rate(update, context, answers_pb.RATING_DOWN)


async def reason(update: Update, context: Context) -> None:
    await rate(update, context, answers_pb.RATING_DOWN)


async def rate(update: Update, context: Context, rating: answers_pb.Rating.ValueType) -> None:
    """Sends the rating to the service and replaces or removes the buttons."""
    query = update.callback_query
    if query is None or not isinstance(query.message, Message):
        return
    chat = await context.services.store.chat(query.message.chat_id)
    texts = texts_for(update, chat)
    request = answers_pb.SubmitFeedbackRequest(
        answer_id=buttons.rated_answer(query.data),
        session_id=chat.session_id,
        session_token=chat.session_token,
        rating=rating,
        reason=chosen_reason(query),
    )
    refusal = await submit(context, chat, request, texts)
    await buttons.acknowledge(query, refusal or texts.rated)
    if not refusal:
        await buttons.replace(query, next_buttons(query, rating, texts))


async def submit(
    context: Context, chat: Chat, request: answers_pb.SubmitFeedbackRequest, texts: Texts
) -> str:
    """The text to show when the rating was not accepted."""
    if chat.binding is None or not chat.session_id:
        return texts.not_rated
    knowledge = context.services.knowledge.for_tenant(chat.binding.tenant_id)
    try:
        await knowledge.submit_feedback(request)
    except CallFailed as error:
        # The answer is of a conversation that this chat has left.
        return texts.not_rated if error.code == "NOT_FOUND" else apology(error, texts)
    return ""


def chosen_reason(query: CallbackQuery) -> str:
    """The text of the button; a thumb has none."""
    is_reason = (query.data or "").startswith(buttons.REASON)
    return (
        buttons.pressed_text(query.message, query.data)
        if is_reason and isinstance(query.message, Message)
        else ""
    )


def next_buttons(
    query: CallbackQuery, rating: answers_pb.Rating.ValueType, texts: Texts
) -> InlineKeyboardMarkup | None:
    if rating == answers_pb.RATING_DOWN and not chosen_reason(query):
        return buttons.reasons(texts, buttons.rated_answer(query.data))
    return None
