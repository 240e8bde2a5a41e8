"""`/start <public key>` binds the chat to a shop; `/start h_<code>` continues a conversation from elsewhere."""

from __future__ import annotations

from telegram import Message, Update
from telegram.ext import CommandHandler, filters

from bot import buttons, handoffs
from bot.apologies import apology
from bot.context import BotApplication, Context, texts_for
from bot.shops import UnknownShop, find_shop
from bot.state import Chat
from bot.texts import Texts
from retrieval_service.client import CallFailed


def register(application: BotApplication) -> None:
    application.add_handler(CommandHandler("start", start, filters=filters.UpdateType.MESSAGE))


async def start(update: Update, context: Context) -> None:
    message = update.effective_message
    if message is None:
        return
    chat = await context.services.store.chat(message.chat_id)
    texts = texts_for(update, chat)
    named = "".join(context.args or ())
    if named.startswith(handoffs.PREFIX):
        await handoffs.take_over(message, context, chat, texts, named.removeprefix(handoffs.PREFIX))
    elif key := named_key(context, chat):
        await open_shop(message, context, texts, key)
    else:
        await message.reply_text(texts.no_shop)


def named_key(context: Context, chat: Chat) -> str:
    """The key in the message, else the key of the chat's shop, else that of the bot's own shop."""
    bound = chat.binding.public_key if chat.binding else ""
    return "".join(context.args or ()) or bound or context.services.settings.bot_default_shop


async def open_shop(message: Message, context: Context, texts: Texts, key: str) -> None:
    try:
        shop = await find_shop(context.services.knowledge, key)
    except UnknownShop:
        await message.reply_text(texts.unknown_shop)
    except CallFailed as error:
        await message.reply_text(apology(error, texts))
    else:
        await context.services.store.bind(message.chat_id, shop.binding)
        questions = buttons.suggestions(shop.suggested_questions(texts))
        await message.reply_text(shop.greeting(texts), reply_markup=questions)
