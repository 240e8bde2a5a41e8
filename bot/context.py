"""What handlers can reach: a typed context instead of a dictionary of everything."""

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
    """Everything that lives as long as the process."""

    settings: Settings
    knowledge: Client
    store: ChatStore
    jobs: AnswerJobs


class Wiring:
    """PTB's `bot_data`: it must be built empty, `app` puts the services in before the first update."""

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
    """What to say in the chosen language, else that of the person's client, else the shop's first."""
    user = update.effective_user
    shop_language = chat.binding.shop_language if chat.binding else ""
    return first_known((chat.language, user.language_code if user else "", shop_language))
