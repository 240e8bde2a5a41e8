"""The bot's own texts in three languages, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterable

from bot.texts import en, pt, ru
from bot.texts.catalog import Texts

__all__ = ["BY_LANGUAGE", "FALLBACK", "Texts", "first_known"]

FALLBACK = en.TEXTS
BY_LANGUAGE = {texts.code: texts for texts in (en.TEXTS, ru.TEXTS, pt.TEXTS)}


def first_known(codes: Iterable[str | None]) -> Texts:
    """The texts of the first known code; "pt-br" counts as "pt"."""
    primary = (code.lower().partition("-")[0] for code in codes if code)
    return next((BY_LANGUAGE[code] for code in primary if code in BY_LANGUAGE), FALLBACK)
