"""What is offered when nothing is known to answer: up to three entries by title, each with a short extract."""

from __future__ import annotations

from retrieval_service.domain.fragments import Fragment, Prompt
from retrieval_service.domain.phrases import extract_text, offers_lead_in, otherwise_text
from retrieval_service.domain.quote_scoring import score_quotes
from retrieval_service.domain.quotes import Quote, quotes_of
from retrieval_service.domain.sentences import split_sentences

MOST_OFFERS = 3
MAX_EXTRACT = 160
_WEB = ("https://", "http://")
# A title or an address with these would break the link around it.
_BREAKS_LINK = frozenset("[]()<>\\ \n")


def offer(prompt: Prompt) -> list[str]:
    """The pieces of the text, a line each; empty when no fragment has anything to show."""
    items = [item for one in _entries(prompt) if (item := _item(prompt, one))]
    otherwise = otherwise_text(prompt.language, prompt.fallback_contact)
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


def _item(prompt: Prompt, entry: Fragment) -> str:
    """Each of its sentences cites: a title may be several."""
    said = ": ".join(filter(None, (_title(entry), _extract(prompt, entry))))
    cited = " ".join(f"{one.text} [{entry.number}]" for one in split_sentences(said))
    return f"\n- {cited}" if cited else ""


def _title(entry: Fragment) -> str:
    """With its address where that may be shown."""
    title = " ".join(entry.title.split())
    is_address = entry.url.startswith(_WEB) and not _BREAKS_LINK.intersection(entry.url)
    is_name = len(split_sentences(title)) == 1 and not {"[", "]"}.intersection(title)
    return f"[{title}]({entry.url})" if is_address and is_name else title


def _extract(prompt: Prompt, entry: Fragment) -> str:
    """Its best sentence, in quotation marks; "" when that says no more than the title."""
    quotes = quotes_of(entry)
    scores = score_quotes(prompt.question, prompt.language, quotes)
    best = max(zip(scores, quotes, strict=True), key=lambda pair: pair[0], default=None)
    text = _shortened(_words(best[1])) if best else ""
    return extract_text(prompt.language, text) if text and text != entry.title else ""


def _words(quote: Quote) -> str:
    return quote.sentence or quote.text


def _shortened(text: str) -> str:
    if len(text) <= MAX_EXTRACT:
        return text
    return text[: MAX_EXTRACT - 1].rsplit(" ", 1)[0].rstrip(",;:—–- ") + "…"
