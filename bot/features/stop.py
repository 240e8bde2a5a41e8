"""The Stop button below an answer that is being written."""

from __future__ import annotations

from telegram import Message, Update
from telegram.ext import CallbackQueryHandler

from bot import buttons
from bot.answering import Interruption
from bot.asking import place_of
from bot.context import BotApplication, Context, texts_for


def register(application: BotApplication) -> None:
    application.add_handler(CallbackQueryHandler(stop, pattern=f"^{buttons.STOP}$"))


async def stop(update: Update, context: Context) -> None:
    query = update.callback_query
    if query is None or not isinstance(query.message, Message):
        return
    texts = texts_for(update, await context.services.store.chat(query.message.chat_id))
    answering = context.services.jobs.running(place_of(query.message))
    if answering is None:
        await buttons.acknowledge(query, texts.nothing_to_stop)
    elif answering.question.asker_id != query.from_user.id:
        await buttons.acknowledge(query, texts.not_yours)
    else:
        answering.interrupt(Interruption.STOPPED)
        await buttons.acknowledge(query)
