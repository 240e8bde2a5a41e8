"""The offer when no answer is known: up to three titles, with the text of the likeliest that may answer."""

from __future__ import annotations

from dataclasses import replace

from retrieval_service.domain.answering.phrases import extract_text, offers_lead_in, otherwise_text
from retrieval_service.domain.fragments import Fragment, Prompt
from retrieval_service.domain.quotation.asked_days import of_days_asked
from retrieval_service.domain.quotation.cited_quotes import cited, cited_title
from retrieval_service.domain.quotation.quote_scoring import score_quotes
from retrieval_service.domain.quotation.quotes import Quote, quotes_of
from retrieval_service.domain.quotation.table_rows import with_rows_asked
from retrieval_service.text.sentences import split_sentences

MOST_OFFERS = 3
MAX_EXTRACT = 160
MAX_ROWS = 900
_WEB = ("https://", "http://")
# Characters in a title or an address that would break the Markdown link.
_BREAKS_LINK = frozenset("[]()<>\\ \n")


def offer(prompt: Prompt) -> list[str]:
    """The lines of the offer; empty when no fragment has anything to show."""
    entries = _entries(prompt)
    likeliest = [_whole(prompt, one) for one in entries[:1]]
    others = [item for one in entries[1:] if (item := _item(prompt, one))]
    otherwise = otherwise_text(prompt.language, prompt.fallback_contact)
    items = [*filter(None, likeliest), *(f"\n{item}" for item in others[:1]), *others[1:]]
    last = [f"\n\n{otherwise}"] if otherwise else []
    return [offers_lead_in(prompt.language), *items, *last] if items else []


def _entries(prompt: Prompt) -> list[Fragment]:
    """The best fragment of each document, in their order; of one document they come as they stand in it."""
    best: dict[str, Fragment] = {}
    for one in prompt.fragments:
        known = best.setdefault(one.document_id, one)
        if one.score > known.score:
            best[one.document_id] = one
    return list(best.values())[:MOST_OFFERS]


def _whole(prompt: Prompt, entry: Fragment) -> str:
    """The paragraph, list or answer that fits best, below its title; a title alone is an item as all others are."""
    best = _best(prompt, entry)
    if best is None:
        return _item(prompt, entry)
    title = _title(entry)
    is_told = not title or best.whole.startswith(entry.title)
    above = "" if is_told else f"\n{cited_title(title, entry.number)}"
    rows = with_rows_asked(prompt.asked, [best], quotes_of(entry), MAX_ROWS, prompt.follow_up)
    if len(rows) == 1:
        return f"{above}\n{cited(rows[0])}"
    heading = f"\n{cited_title(best.heading, entry.number)}" if best.heading else ""
    return above + heading + "".join(f"\n{cited(replace(row, heading=''))}" for row in rows)


def _item(prompt: Prompt, entry: Fragment) -> str:
    """Each of its sentences cites: a title may be several."""
    said = ": ".join(filter(None, (_title(entry), _extract(prompt, entry))))
    cited = " ".join(f"{one.text} [{entry.number}]" for one in split_sentences(said))
    return f"\n- {cited}" if cited else ""


def _title(entry: Fragment) -> str:
    """The title, with its address if that may be shown."""
    title = " ".join(entry.title.split())
    is_address = entry.url.startswith(_WEB) and not _BREAKS_LINK.intersection(entry.url)
    is_name = len(split_sentences(title)) == 1 and not {"[", "]"}.intersection(title)
    return f"[{title}]({entry.url})" if is_address and is_name else title


def _extract(prompt: Prompt, entry: Fragment) -> str:
    """Its best sentence, in quotation marks; "" when that says no more than the title, or is several rows."""
    best = _best(prompt, entry)
    rows = with_rows_asked(prompt.asked, [best], quotes_of(entry), MAX_ROWS, prompt.follow_up) if best else []
    text = _shortened(_words(rows[0])) if len(rows) == 1 else ""
    return extract_text(prompt.language, text) if text and text != entry.title else ""


def _best(prompt: Prompt, entry: Fragment) -> Quote | None:
    quotes = of_days_asked(prompt.asked, quotes_of(entry))
    scores = score_quotes(prompt.asked, prompt.language, quotes)
    scored = zip(scores, quotes, strict=True)
    return max(scored, key=lambda pair: pair[0], default=(0.0, None))[1]


def _words(quote: Quote) -> str:
    """Under the heading, without which an item of a list says nothing."""
    said = quote.sentence or quote.text.removeprefix(quote.fragment.title).strip(" ()")
    return f"{quote.heading}: {said}" if quote.heading and quote.heading not in said else said


def _shortened(text: str) -> str:
    if len(text) <= MAX_EXTRACT:
        return text
    return text[: MAX_EXTRACT - 1].rsplit(" ", 1)[0].rstrip(",;:—–- ") + "…"
