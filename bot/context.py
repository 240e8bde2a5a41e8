"""The typed context of handlers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from telegram import Update
from telegram.ext import Application, CallbackContext, ExtBot

from bot.config import Settings
from bot.jobs import AnswerJobs
from bot.limits import Delivery
from bot.state import Chat, ChatStore
from bot.texts import Texts, first_known
from retrieval_service.client import Client


@dataclass(frozen=True, kw_only=True)
class Services:
    """The services that live as long as the process."""

    settings: Settings
    knowledge: Client
    store: ChatStore
    jobs: AnswerJobs


class Wiring:
    """PTB's `bot_data`. It is built empty; `app` adds the services before the first update."""

    services: Services


class Context(CallbackContext[ExtBot[Delivery], dict[Any, Any], dict[Any, Any], Wiring]):
    """The context of every handler."""

    @property
    def services(self) -> Services:
        return self.bot_data.services


BotApplication: TypeAlias = Application[
    ExtBot[Delivery], Context, dict[Any, Any], dict[Any, Any], Wiring, None
]


def texts_for(update: Update, chat: Chat) -> Texts:
    """The texts in the chosen language, else in that of the person's client, else in the shop's first."""
    user = update.effective_user
    shop_language = chat.binding.shop_language if chat.binding else ""
    return first_known((chat.language, user.language_code if user else "", shop_language))
