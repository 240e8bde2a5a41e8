"""A summary without a model: the best distinct sentences of the sources, and where they contradict each other."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Iterator, Sequence

from retrieval_service.domain.fragments import Ending, FinishReason, Prompt
from retrieval_service.domain.quotation.contradictions import Contradiction, contradictions
from retrieval_service.domain.quotation.quote_scoring import score_quotes
from retrieval_service.domain.quotation.quotes import Quote, Source, quotes_of
from retrieval_service.domain.quotation.repetition import is_variation, says_again
from retrieval_service.domain.summaries.phrases import disagreement_text, lead_text
from retrieval_service.domain.summaries.summaries import LEAST_POINTS, MOST_POINTS, Draft

MOST_DISAGREEMENTS = 3
MOST_OF_ONE_SOURCE = 3
MOST_OF_ONE_PRODUCT = 2
MAX_TITLE = 100

# Beyond the fewest points a quote is worth adding when it comes this close to the best one.
_LEAST_SHARE = 0.4


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
    scores = score_quotes(prompt.asked, prompt.language, quotes)
    least = _LEAST_SHARE * max(scores, default=0.0)
    order = sorted(range(len(quotes)), key=lambda place: -scores[place])
    return [(quotes[place], scores[place] >= least > 0) for place in order]


def _chosen(ranked: Sequence[tuple[Quote, bool]], told: Sequence[Quote], most: int) -> list[Quote]:
    """What a contradiction tells is not told again; where few are good, others follow, at last beyond any share."""
    good, every = [quote for quote, is_good in ranked if is_good], [quote for quote, _ in ranked]
    chosen = _added([], good, told, most=most)
    chosen = _added(chosen, every, told, most=LEAST_POINTS)
    return _added(chosen, every, told, most=LEAST_POINTS, is_shared=False)


def _added(
    chosen: list[Quote], quotes: Sequence[Quote], told: Sequence[Quote], *, most: int, is_shared: bool = True
) -> list[Quote]:
    for quote in quotes:
        has_place = not is_shared or _number_of(quote, chosen) < _share(quote)
        if len(chosen) < most and has_place and not _is_said(quote, (*told, *chosen)):
            chosen = _with(quote, chosen)
    return chosen


def _with(quote: Quote, chosen: Sequence[Quote]) -> list[Quote]:
    """In the place of one that says nothing more."""
    said = [place for place, other in enumerate(chosen) if _is_repetition(other, quote)]
    place = min(said, default=len(chosen))
    return [*chosen[:place], quote, *(other for other in chosen[place:] if not _is_repetition(other, quote))]


def _number_of(quote: Quote, chosen: Sequence[Quote]) -> int:
    """How many of the same source there are."""
    return sum(other.fragment.number == quote.fragment.number for other in chosen)


def _share(quote: Quote) -> int:
    return MOST_OF_ONE_PRODUCT if quote.source is Source.PRODUCT else MOST_OF_ONE_SOURCE


def _is_said(quote: Quote, others: Sequence[Quote]) -> bool:
    return any(_is_repetition(quote, other) for other in others)


def _is_repetition(quote: Quote, other: Quote) -> bool:
    """A product's text begins with its name; under "Lamp 7" and "Lamp 8" the same words say two things."""
    language = quote.fragment.language
    if Source.PRODUCT in (quote.source, other.source):
        return says_again(quote.text, other.text, language)
    is_of_another = is_variation(_heading(quote), _heading(other), language)
    return not is_of_another and says_again(quote.sentence, other.sentence, language)


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
    title = "" if quote.source is Source.PRODUCT else _heading(quote)
    return title if len(title) <= MAX_TITLE and title not in quote.text else ""


def _heading(quote: Quote) -> str:
    return quote.topic.partition("\n")[0].strip()


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
