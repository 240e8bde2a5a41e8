"""How a quotation is written: under its heading, each sentence with the number of its fragment."""

from __future__ import annotations

from retrieval_service.domain.quotes import SHORT_SENTENCE, Quote
from retrieval_service.domain.sentences import split_sentences


def cited(quote: Quote) -> str:
    """The unit under its heading; a line that leads to the next ones cites with them."""
    number = quote.fragment.number
    lines = quote.whole.split("\n")
    is_told = not quote.heading or quote.heading in quote.whole
    if not is_told:
        lines = [f"{quote.heading}:", *lines] if len(lines) > 1 else [f"{quote.heading} — {lines[0]}"]
    *before, last = lines
    led = (line if line.endswith(":") else marked(line, number) for line in before)
    return "\n".join([*led, marked(last, number)])


def marked(text: str, number: int) -> str:
    """Every sentence cites; a very short one, "Yes.", leaves that to the next if that one does, and may just ask."""
    said: list[str] = []
    cites = False
    for one in reversed(split_sentences(text)):
        is_excused = cites or (bool(said) and one.text.endswith("?"))
        cites = len(one.text) >= SHORT_SENTENCE or not is_excused
        said.append(f"{one.text} [{number}]" if cites else one.text)
    return " ".join(reversed(said))
