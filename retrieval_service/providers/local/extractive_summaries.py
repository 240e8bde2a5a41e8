"""A summary without a model: the best distinct sentences of the sources, and where they contradict each other."""

from __future__ import annotations

import asyncio
import html
from collections import Counter
from collections.abc import Iterator, Sequence

from retrieval_service.domain.contradictions import Contradiction, contradictions
from retrieval_service.domain.fragments import Ending, FinishReason, Prompt
from retrieval_service.domain.quote_scoring import are_alike, score_quotes
from retrieval_service.domain.quotes import Quote, Source, quotes_of
from retrieval_service.domain.summaries import LEAST_POINTS, MOST_POINTS, Draft
from retrieval_service.domain.summary_phrases import disagreement_text, lead_text

MOST_DISAGREEMENTS = 3
MOST_OF_ONE_SOURCE = 3
MOST_OF_ONE_PRODUCT = 2
MAX_TITLE = 100

# Beyond the fewest points a quote is worth adding when it comes this close to the best one.
_LEAST_SHARE = 0.4
_ALIKE_SHARE = 0.7


class ExtractiveSummarizer:
    """Quotes stay in their own language; the rest is in the question's."""

    name = "extractive"

    async def summarize(self, prompt: Prompt) -> Draft:
        """Empty when the fragments hold no sentence at all."""
        written = await asyncio.to_thread(compose, prompt)
        reason = FinishReason.STOP if written else FinishReason.NO_RELEVANT_CONTENT
        return Draft(html=written, ending=Ending(finish_reason=reason))

    async def close(self) -> None:
        """Nothing is held open."""


def compose(prompt: Prompt) -> str:
    """The summary's HTML; contradictions come last, each as a point of its own."""
    quotes = [quote for fragment in prompt.fragments for quote in quotes_of(fragment)]
    disputed = contradictions(quotes)[:MOST_DISAGREEMENTS]
    told = [quote for pair in disputed for quote in (pair.one, pair.other)]
    chosen = _chosen(_ranked(prompt, quotes), told, MOST_POINTS - len(disputed))
    points = [
        *_quoted(_in_reading_order(chosen)),
        *(_disagreement(prompt.language, pair) for pair in disputed),
    ]
    if not points:
        return ""
    lead = lead_text(prompt.language, len({quote.fragment.number for quote in (*chosen, *told)}))
    return f"<p>{html.escape(lead, quote=False)}</p><ul>{''.join(points)}</ul>"


def _ranked(prompt: Prompt, quotes: Sequence[Quote]) -> list[tuple[Quote, bool]]:
    """Best first, each with whether it is good enough to be more than one of the fewest."""
    scores = score_quotes(prompt.question, prompt.language, quotes)
    least = _LEAST_SHARE * max(scores, default=0.0)
    order = sorted(range(len(quotes)), key=lambda place: -scores[place])
    return [(quotes[place], scores[place] >= least > 0) for place in order]


def _chosen(ranked: Sequence[tuple[Quote, bool]], told: Sequence[Quote], most: int) -> list[Quote]:
    """What a contradiction tells is not told again."""
    chosen: list[Quote] = []
    used: Counter[int] = Counter()
    for quote, is_good in ranked:
        is_wanted = is_good or len(chosen) < LEAST_POINTS
        if len(chosen) < most and is_wanted and _is_new(quote, (*told, *chosen), used):
            chosen.append(quote)
            used[quote.fragment.number] += 1
    return chosen


def _is_new(quote: Quote, others: Sequence[Quote], used: Counter[int]) -> bool:
    most = MOST_OF_ONE_PRODUCT if quote.source is Source.PRODUCT else MOST_OF_ONE_SOURCE
    if used[quote.fragment.number] >= most:
        return False
    return not any(quote.text == other.text or are_alike(quote, other, _ALIKE_SHARE) for other in others)


def _in_reading_order(chosen: Sequence[Quote]) -> list[Quote]:
    """Fragments by their best quote, and within each as it is written there."""
    ranks = {quote.fragment.number: rank for rank, quote in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda quote: (ranks[quote.fragment.number], quote.position))


def _quoted(quotes: Sequence[Quote]) -> Iterator[str]:
    """The first quote of a source names what it is about: "Within 14 days." says nothing by itself."""
    previous = 0
    for quote in quotes:
        title = "" if quote.fragment.number == previous else _title(quote)
        previous = quote.fragment.number
        yield _point(quote.text, quote, title=title)


def _title(quote: Quote) -> str:
    """The question or the title above the quote; a product's own text begins with its name."""
    title = "" if quote.source is Source.PRODUCT else quote.topic.partition("\n")[0].strip()
    return title if len(title) <= MAX_TITLE and title not in quote.text else ""


def _disagreement(language: str, pair: Contradiction) -> str:
    said = disagreement_text(language, pair.one.text, pair.other.text)
    return _point(said, pair.one, pair.other)


def _point(text: str, *quotes: Quote, title: str = "") -> str:
    marks = "".join(f"[{number}]" for number in dict.fromkeys(quote.fragment.number for quote in quotes))
    said = html.escape(text, quote=False)
    if title:
        between = " " if title.endswith(("?", "!", ".", "…", ":")) else " — "
        said = f"<b>{html.escape(title, quote=False)}</b>{between}{said}"
    return f"<li>{said} {marks}</li>"
