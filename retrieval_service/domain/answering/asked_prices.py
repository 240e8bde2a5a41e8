"""Questions about a price, and whether a text tells one; ru, en and pt. A text without a price does not answer them."""

from __future__ import annotations

import re

from retrieval_service.domain.answering.claim_phrases import PROMISES
from retrieval_service.text.facts.facts import amounts_of
from retrieval_service.text.facts.words import CURRENCIES

_ASKS = re.compile(
    r"(?:\bhow much (?:(?:is|are|was|would|will|for|do i pay|to pay)\b|(?:do|does|did)\b[^?.!]{0,60}\bcosts?\b)"
    r"|\b(?:what|which)(?: is| are|'s)? (?:the |your |its )?(?:prices?|costs?|fees?)\b"
    r"|\bсколько (?:[^\W\d_]+ ){0,3}сто(?:ит|ят|ить|ило)\b|\bсто(?:ит|ят) сколько\b|\bпоч[её]м\b"
    r"|\bкак(?:ая|ова|ие|овы) (?:цен[аы]|стоимость)\b"
    r"|\bquanto (?:[^\W\d_]+ ){0,3}(?:custa|custam|custaria|sai|fica|pago|cobram)\b"
    r"|\b(?:qual|quais)(?: é| são)?(?: o| os)? (?:preços?|valor(?:es)?)\b"
    r"|^\W*(?:(?:and|e|а|и)\s)?(?:the |o )?(?:prices?|costs?|preços?|цен[аы]|стоимость)\b"
    r"|\b(?:price|cost|preço|цена|стоимость|how much)\W*$)",
    re.IGNORECASE,
)
_TELLS = re.compile(
    r"\b(?:pric|cost|fee\b|fees\b|charg|pay|paid|tariff|rate\b|rates\b|цен[аыуеой]|стои|опла|плат|тариф"
    r"|pre[çc]o|cust|valor|pag|taxa|tarifa)",
    re.IGNORECASE,
)
_SYMBOLS = re.compile(
    "[" + re.escape("".join(word for word in CURRENCIES if not word.isalnum() and len(word) == 1)) + "]"
)
_CODES = frozenset(CURRENCIES.values())
_MOST = 300


def asks_price(question: str) -> bool:
    """Whether the question is about money: "how much does it weigh?" is not."""
    return _ASKS.search(question[:_MOST]) is not None


def tells_price(text: str) -> bool:
    """Whether the text says what something costs, or that it is free."""
    if _SYMBOLS.search(text) or _TELLS.search(text) or PROMISES["promise:free"].search(text):
        return True
    return any(amount.unit.upper() in _CODES for readings in amounts_of(text) for amount in readings)
