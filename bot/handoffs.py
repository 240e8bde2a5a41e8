"""Continues a conversation from elsewhere, by the code in the customer's link."""

from __future__ import annotations

import asyncio

from kladez.v1 import answer_service_pb2 as answers_pb
from telegram import Message

from bot.answering import CHANNEL, doubts, sources
from bot.apologies import apology
from bot.context import Context
from bot.rendering import answer_messages
from bot.shops import UnknownShop, find_shop
from bot.state import Chat
from bot.streaming import to_telegram
from bot.texts import BY_LANGUAGE, Texts
from retrieval_service.client import CallFailed

# Follows `/start `. No public key begins so.
PREFIX = "h_"


async def take_over(message: Message, context: Context, chat: Chat, texts: Texts, code: str) -> None:
    """Binds the chat to the code's shop and conversation, and shows the last turn."""
    knowledge = context.services.knowledge
    request = answers_pb.ClaimHandoffRequest(code=code, channel=CHANNEL, user_key=chat.customer)
    try:
        claimed = await knowledge.claim_handoff(request)
        shop = await find_shop(knowledge, claimed.public_key)
    except UnknownShop:
        await message.reply_text(texts.handoff_ended)
    except CallFailed as error:
        is_over = error.code in {"NOT_FOUND", "INVALID_ARGUMENT"}
        await message.reply_text(texts.handoff_ended if is_over else apology(error, texts))
    else:
        if not chat.language:
            texts = BY_LANGUAGE.get(claimed.language, texts)
        await context.services.store.bind(message.chat_id, shop.binding)
        await context.services.store.set_session(
            message.chat_id,
            shop.binding.tenant_id,
            session_id=claimed.session_id,
            session_token=claimed.session_token,
        )
        await message.reply_text(texts.handed_over.format(shop=shop.description.name))
        if claimed.HasField("last_turn"):
            await show_turn(message, claimed.last_turn, texts)


async def show_turn(message: Message, turn: answers_pb.Answer, texts: Texts) -> None:
    """The customer's question and its answer."""
    await message.reply_text(f"— {turn.question}", do_quote=False)
    if not turn.text:
        return
    parts = await asyncio.to_thread(
        answer_messages,
        turn.text,
        sources(turn.references),
        sources_heading=texts.sources,
        doubts=doubts(turn.unsupported),
        footnote=texts.not_confirmed,
    )
    for part in parts:
        await message.reply_text(part.text, entities=to_telegram(part), do_quote=False)
