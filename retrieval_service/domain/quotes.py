"""What can be quoted from a fragment: sentences without labels and markup, each with what it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.sentences import bullet_length, split_sentences
from retrieval_service.domain.templates import Field, Role, read_fields

MAX_QUOTE = 280
# "Yes." says nothing without the sentence that follows.
SHORT_SENTENCE = 15

# A document's own "[1]" would pass for a citation of ours.
_FOREIGN_MARKER = re.compile(r"[\[【]([\s^0-9,;:–-]++)(?:†[^\]】\n]{0,200}+)?[\]】]")
# The first line of an article that stands alone and ends no sentence.
_TITLE_LINE = re.compile(r"[^\n]{1,120}[^\s.!?…]\n[ \t]*\n")
_MARKUP = re.compile(r"\*\*|__|`")


class Source(StrEnum):
    """What kind of text a quote is taken from."""

    PRODUCT = "product"
    FAQ = "faq"
    ARTICLE = "article"


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A sentence; `text` names its product too, `topic` is the question, name or heading above it."""

    fragment: Fragment
    source: Source
    position: int
    text: str
    sentence: str
    topic: str


def quotes_of(fragment: Fragment) -> list[Quote]:
    """In the order of the text; empty when it holds nothing but headings."""
    fields = read_fields(fragment.text)
    roles = {field.role for field in fields}
    if Role.NAME in roles:
        return list(_product_quotes(fragment, fields))
    source = Source.FAQ if roles & {Role.QUESTION, Role.ANSWER} else Source.ARTICLE
    body = "\n".join(field.text for field in fields if field.role is not Role.QUESTION)
    quotes = list(_sentence_quotes(fragment, source, body, _text_of(fields, Role.QUESTION) or fragment.title))
    # Every sentence of an answer is about all of it: "Yes, 300 points." never repeats what was asked.
    return (
        [replace(quote, topic=f"{quote.topic}\n{body}") for quote in quotes]
        if source is Source.FAQ
        else quotes
    )


def _sentence_quotes(fragment: Fragment, source: Source, body: str, title: str) -> Iterator[Quote]:
    heading = ""
    if _TITLE_LINE.match(body):
        body = f"# {body}"
    for position, sentence in enumerate(_sentences(body)):
        text = _plain(sentence)
        if _is_heading(sentence) or text == title:
            heading = text
        elif text:
            topic = f"{title}\n{heading}"
            yield Quote(
                fragment=fragment, source=source, position=position, text=text, sentence=text, topic=topic
            )


def _product_quotes(fragment: Fragment, fields: Iterable[Field]) -> Iterator[Quote]:
    """One for each sentence and property, all with name and price in front."""
    fields = tuple(fields)
    name, price = _text_of(fields, Role.NAME), _text_of(fields, Role.PRICE)
    titled = f"{_plain(name)} ({_plain(price)})" if price else _plain(name)
    topic = "\n".join(field.text for field in fields if field.role in (Role.NAME, Role.GROUP, Role.ATTRIBUTE))
    for position, text in enumerate(_product_texts(fields)):
        yield Quote(
            fragment=fragment,
            source=Source.PRODUCT,
            position=position,
            text=f"{titled} — {text}" if text else titled,
            sentence=text,
            topic=topic,
        )


def _product_texts(fields: tuple[Field, ...]) -> Iterator[str]:
    description = [_plain(sentence) for sentence in _sentences(_text_of(fields, Role.DESCRIPTION))]
    yield from description or [""]
    for field in fields:
        if field.role is Role.ATTRIBUTE:
            yield _plain(f"{field.label}: {field.text}")


def _text_of(fields: Iterable[Field], role: Role) -> str:
    return "\n".join(field.text for field in fields if field.role is role)


def _sentences(text: str) -> Iterator[str]:
    """Sentences, a very short one together with the next one of its line."""
    begun = 0
    sentences = split_sentences(text)
    for place, sentence in enumerate(sentences):
        following = sentences[place + 1] if place + 1 < len(sentences) else None
        is_short = sentence.end - sentences[begun].start < SHORT_SENTENCE
        if is_short and following and "\n" not in text[sentence.end : following.start]:
            continue
        yield text[sentences[begun].start : sentence.end]
        begun = place + 1


def _is_heading(sentence: str) -> bool:
    return sentence.startswith("#") or (sentence.endswith(":") and len(sentence) < MAX_QUOTE)


def _plain(sentence: str) -> str:
    """One line without bullet, markup and foreign markers, cut at a word when it is very long."""
    text = _MARKUP.sub("", sentence[bullet_length(sentence) :])
    text = " ".join(_FOREIGN_MARKER.sub(r"(\1)", text).split())
    if len(text) <= MAX_QUOTE:
        return text
    return text[: MAX_QUOTE - 1].rsplit(" ", 1)[0].rstrip(",;:—–- ") + "…"
