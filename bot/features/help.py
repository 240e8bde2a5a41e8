"""`/help`, and the list of commands that Telegram shows beside the input field."""

from __future__ import annotations

from telegram import BotCommand, Update
from telegram.ext import CommandHandler, ExtBot, filters

from bot.context import BotApplication, Context, texts_for
from bot.limits import Delivery
from bot.texts import BY_LANGUAGE, FALLBACK, Texts


def register(application: BotApplication) -> None:
    application.add_handler(CommandHandler("help", show_help, filters=filters.UpdateType.MESSAGE))


async def show_help(update: Update, context: Context) -> None:
    message = update.effective_message
    if message is not None:
        chat = await context.services.store.chat(message.chat_id)
        await message.reply_text(texts_for(update, chat).help)


async def publish_commands(bot: ExtBot[Delivery]) -> None:
    """The list in each language, and one for every other."""
    await bot.set_my_commands(commands(FALLBACK))
    for texts in BY_LANGUAGE.values():
        await bot.set_my_commands(commands(texts), language_code=texts.code)


def commands(texts: Texts) -> list[BotCommand]:
    return [
        BotCommand("start", texts.command_start),
        BotCommand("lang", texts.command_language),
        BotCommand("help", texts.command_help),
    ]
