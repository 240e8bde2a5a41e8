"""What can be quoted from a fragment: sentences without labels and markup, each with the unit that it stands in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from retrieval_service.domain.documents.entries import Field
from retrieval_service.domain.documents.templates import Role
from retrieval_service.domain.fragments import Fragment
from retrieval_service.text.sentences import bullet_length, split_sentences
from retrieval_service.text.units import Kind, Unit, plain, units_of

# What a person wrote as one thing is quoted whole up to this length, and by its sentences or items beyond.
MAX_UNIT = 900
# A line that ends with a colon and is no longer leads to others and says nothing by itself.
_LONGEST_LEAD = 280
# "Yes." says nothing without the sentence that follows.
SHORT_SENTENCE = 15
# The first line of an article that stands alone and ends no sentence is its title.
_LONGEST_TITLE = 120
_ENDS = (".", "!", "?", "…")


class Source(StrEnum):
    """What kind of text a quote is taken from."""

    PRODUCT = "product"
    FAQ = "faq"
    ARTICLE = "article"


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A sentence; `text` names its product too, `topic` is the question, name or heading above it.

    `unit` is the answer, paragraph, list or row that it stands in, a line each item, and `heading` what stands above
    that; a sentence of a product or of what is very long is its own unit. `question` is what an FAQ's answer answers,
    and `table` tells rows of one table from those of others, 0 for what is no row.
    One that `is_told` says no more than what stands before every sentence of its product.
    """

    fragment: Fragment
    source: Source
    position: int
    text: str
    sentence: str
    topic: str
    unit: str = ""
    heading: str = ""
    question: str = ""
    table: int = 0
    is_told: bool = False

    @property
    def whole(self) -> str:
        """What is quoted when this sentence is chosen."""
        return self.unit or self.text


def quotes_of(fragment: Fragment) -> list[Quote]:
    """In the order of the text; empty when it holds nothing but headings."""
    fields = fragment.fields
    roles = {field.role for field in fields}
    if Role.NAME in roles:
        return list(_product_quotes(fragment, fields))
    if Role.QUESTION in roles:
        return list(_faq_quotes(fragment, fields))
    return list(_article_quotes(fragment, Source.ARTICLE, units_of(_titled(fragment.text)), fragment.title))


def _faq_quotes(fragment: Fragment, fields: Sequence[Field]) -> Iterator[Quote]:
    """Every sentence of an answer is about all of it: "Yes, 300 points." never repeats what was asked."""
    body = _text_of(fields, Role.ANSWER)
    question = " ".join(plain(line) for line in _text_of(fields, Role.QUESTION).splitlines())
    units = units_of(body)
    whole = "\n".join(unit.text for unit in units)
    for quote in _article_quotes(fragment, Source.FAQ, units, _text_of(fields, Role.QUESTION)):
        unit = whole if len(whole) <= MAX_UNIT else quote.unit
        yield replace(
            quote,
            topic=f"{quote.topic}\n{body}",
            unit=unit,
            heading="",
            question=question,
            table=0 if unit == whole else quote.table,
        )


def _article_quotes(fragment: Fragment, source: Source, units: Iterable[Unit], title: str) -> Iterator[Quote]:
    heading = ""
    position = 0
    table, previous = 0, Kind.HEADING
    for unit in units:
        table += unit.kind is Kind.ROW and previous is not Kind.ROW
        previous = unit.kind
        if unit.kind is Kind.HEADING or unit.text == title:
            heading = unit.text
            continue
        lead = unit.lines[0] if unit.kind is Kind.LIST and unit.lines[0].endswith(":") else ""
        for sentence in _sentences_of(unit):
            yield Quote(
                fragment=fragment,
                source=source,
                position=position,
                text=_cut(sentence),
                sentence=_cut(sentence),
                topic="\n".join([title, heading, *filter(None, [lead])]),
                unit=unit.text if len(unit.text) <= MAX_UNIT else "",
                heading="" if heading == title else heading,
                table=table if unit.kind is Kind.ROW else 0,
            )
            position += 1


def _sentences_of(unit: Unit) -> Iterator[str]:
    """Without bullets and without lines that only lead to others."""
    if unit.kind is Kind.ROW:
        yield unit.text
        return
    for line in unit.lines:
        for sentence in _sentences(line[bullet_length(line) :]):
            if not (sentence.endswith(":") and len(sentence) < _LONGEST_LEAD):
                yield sentence


def _titled(text: str) -> str:
    """With a mark before a title in the first line."""
    first, _, rest = text.partition("\n")
    is_alone = not rest.partition("\n")[0].strip() and bool(rest)
    is_title = is_alone and 0 < len(first.strip()) <= _LONGEST_TITLE and not first.rstrip().endswith(_ENDS)
    return f"# {text}" if is_title and first[:1] not in {"#", "|", " "} and not bullet_length(first) else text


def _product_quotes(fragment: Fragment, fields: Iterable[Field]) -> Iterator[Quote]:
    """One for each sentence and property, all with name, price and stock in front."""
    fields = tuple(fields)
    name = plain(_text_of(fields, Role.NAME))
    facts = [plain(_text_of(fields, Role.PRICE)), _text_of(fields, Role.STOCK)]
    titled = f"{name} ({', '.join(filter(None, facts))})" if any(facts) else name
    topic = "\n".join(field.text for field in fields if field.role in (Role.NAME, Role.GROUP, Role.ATTRIBUTE))
    told = {_said(one) for one in (name, *facts) if one}
    texts = list(_product_texts(fields))
    if fragment.meant:
        texts = [text for text in texts if text in fragment.meant] or [""]
    for position, text in enumerate(texts):
        is_told = _said(text) in told
        yield Quote(
            fragment=fragment,
            source=Source.PRODUCT,
            position=position,
            text=f"{titled} — {text}" if text and not is_told else titled,
            sentence=text,
            topic=topic,
            is_told=is_told,
        )


def _said(text: str) -> str:
    return text.casefold().rstrip(" .!")


def _product_texts(fields: tuple[Field, ...]) -> Iterator[str]:
    described = units_of(_text_of(fields, Role.DESCRIPTION))
    yield from [_cut(sentence) for unit in described for sentence in _sentences_of(unit)] or [""]
    for field in fields:
        if field.role is Role.ATTRIBUTE:
            yield _cut(plain(f"{field.label}: {field.text}"))


def _text_of(fields: Iterable[Field], role: Role) -> str:
    return "\n".join(field.text for field in fields if field.role is role)


def _sentences(text: str) -> Iterator[str]:
    """Sentences, a very short one together with the next one."""
    begun = 0
    sentences = split_sentences(text)
    for place, sentence in enumerate(sentences):
        is_short = sentence.end - sentences[begun].start < SHORT_SENTENCE
        if is_short and place + 1 < len(sentences):
            continue
        yield text[sentences[begun].start : sentence.end]
        begun = place + 1


def _cut(text: str) -> str:
    """What has no end of a sentence for so long ends at a word."""
    if len(text) <= MAX_UNIT:
        return text
    return text[: MAX_UNIT - 1].rsplit(" ", 1)[0].rstrip(",;:—–- ") + "…"
