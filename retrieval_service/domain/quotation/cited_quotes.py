"""How a quotation is written: under its heading, each sentence with the number of its fragment."""

from __future__ import annotations

from retrieval_service.domain.quotation.quotes import SHORT_SENTENCE, Quote
from retrieval_service.text.sentences import split_sentences


def cited(quote: Quote) -> str:
    """The unit under its heading; a line that leads to the next ones cites with them."""
    number = quote.fragment.number
    lines = quote.whole.split("\n")
    above: list[str] = []
    if quote.heading and quote.heading not in quote.whole:
        if len(lines) > 1 or quote.heading.endswith("?"):
            above = [cited_title(quote.heading, number)]
        else:
            lines = [f"{quote.heading} — {lines[0]}"]
    *before, last = lines
    led = (line if line.endswith(":") else marked(line, number) for line in before)
    return "\n".join([*above, *led, marked(last, number)])


def cited_title(title: str, number: int) -> str:
    """A question claims nothing and a short name leads in; what says more cites."""
    sentences = split_sentences(title)
    if len(sentences) == 1:
        return title if title.endswith("?") else f"{title}:"
    return " ".join(f"{one.text} [{number}]" for one in sentences)


def marked(text: str, number: int) -> str:
    """Every sentence cites; a very short one, "Yes.", leaves that to the next if that one does, and may just ask."""
    said: list[str] = []
    cites = False
    for one in reversed(split_sentences(text)):
        is_excused = cites or (bool(said) and one.text.endswith("?"))
        cites = len(one.text) >= SHORT_SENTENCE or not is_excused
        said.append(f"{one.text} [{number}]" if cites else one.text)
    return " ".join(reversed(said))
