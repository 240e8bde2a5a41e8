"""Questions that are typed, or chosen from the suggestions."""

from __future__ import annotations

from telegram import Message, Update
from telegram.ext import CallbackQueryHandler, MessageHandler, filters

from bot import addressing, asking, buttons
from bot.context import BotApplication, Context, texts_for
from bot.features.help import show_help


def register(application: BotApplication) -> None:
    fresh = filters.UpdateType.MESSAGE
    application.add_handler(MessageHandler(fresh & filters.TEXT & ~filters.COMMAND, ask))
    application.add_handler(CallbackQueryHandler(ask_suggested, pattern=f"^{buttons.SUGGESTION}"))
    unreadable = fresh & filters.ChatType.PRIVATE & ~filters.TEXT & ~filters.StatusUpdate.ALL
    application.add_handler(MessageHandler(unreadable, explain_text_only))
    # In a group the command may be for another bot.
    unknown_command = fresh & filters.ChatType.PRIVATE & filters.COMMAND
    application.add_handler(MessageHandler(unknown_command, show_help))


async def ask(update: Update, context: Context) -> None:
    message = update.effective_message
    if message is not None and addressing.is_for(context.bot.bot, message):
        await asking.answer(update, context, message, addressing.question_in(context.bot.bot, message))


async def ask_suggested(update: Update, context: Context) -> None:
    """Writes the question into the chat first, so that the answer has its context."""
    query = update.callback_query
    if query is None:
        return
    await buttons.acknowledge(query)
    # Telegram no longer sends the message of a very old button, so the question is unknown.
    if isinstance(query.message, Message):
        question = buttons.pressed_text(query.message, query.data)
        echo = await query.message.reply_text(f"— {question}", do_quote=False)
        await asking.answer(update, context, echo, question)


async def explain_text_only(update: Update, context: Context) -> None:
    message = update.effective_message
    if message is not None:
        chat = await context.services.store.chat(message.chat_id)
        await message.reply_text(texts_for(update, chat).only_text)
