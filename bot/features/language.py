"""`/lang`: the language of buttons and hints."""

from __future__ import annotations

from telegram import Update
from telegram.ext import CallbackQueryHandler, CommandHandler, filters

from bot import buttons
from bot.context import BotApplication, Context, texts_for
from bot.texts import BY_LANGUAGE


def register(application: BotApplication) -> None:
    application.add_handler(CommandHandler("lang", offer, filters=filters.UpdateType.MESSAGE))
    application.add_handler(CallbackQueryHandler(choose, pattern=f"^{buttons.LANGUAGE}"))


async def offer(update: Update, context: Context) -> None:
    """With a code after the command, the language is set at once."""
    message = update.effective_message
    if message is None:
        return
    chat = await context.services.store.chat(message.chat_id)
    chosen = BY_LANGUAGE.get("".join(context.args or ()).lower())
    if chosen is None:
        await message.reply_text(texts_for(update, chat).choose_language, reply_markup=buttons.languages())
        return
    await context.services.store.set_language(chat.chat_id, chosen.code)
    await message.reply_text(chosen.language_chosen)


async def choose(update: Update, context: Context) -> None:
    query = update.callback_query
    if query is None or query.message is None:
        return
    await buttons.acknowledge(query)
    chosen = BY_LANGUAGE.get((query.data or "").removeprefix(buttons.LANGUAGE))
    if chosen is not None:
        await context.services.store.set_language(query.message.chat.id, chosen.code)
        await query.edit_message_text(chosen.language_chosen)
