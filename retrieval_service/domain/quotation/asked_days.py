"""Of sentences that tell special days those of the day that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retrieval_service.domain.quotation.quotes import Quote
from retrieval_service.text.facts.days import Days, days_of, tells_day


def of_days_asked(question: str, quotes: Sequence[Quote]) -> list[Quote]:
    """Without what tells other days, in the fragments that tell this one; a sentence then stands for itself."""
    asked = days_of(question)
    if not asked:
        return list(quotes)
    told = [days_of(f"{one.question}\n{one.sentence}") for one in quotes]
    telling = {one.fragment.number for one, days in zip(quotes, told, strict=True) if tells_day(asked, days)}
    return [
        _alone(one, asked) if one.fragment.number in telling else one
        for one, days in zip(quotes, told, strict=True)
        if one.fragment.number not in telling or not days or tells_day(asked, days)
    ]


def _alone(quote: Quote, asked: Sequence[Days]) -> Quote:
    """Without the paragraph around it, where that tells other days too."""
    others = [days for days in days_of(quote.unit) if not tells_day(asked, [days])]
    return replace(quote, unit=quote.sentence) if others else quote
