"""Texts of rows with what is stored of them, as an import leaves them."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval_service.domain.documents import templates
from retrieval_service.domain.documents.documents import Draft
from retrieval_service.domain.documents.entries import FAQ, PRODUCT, Entry, Field, fields_of
from retrieval_service.domain.documents.templates import Attribute


class Rendered(str):
    """A row's text; `entry` is what is stored beside it."""

    entry: Entry

    @classmethod
    def of(cls, text: str, entry: Entry) -> Rendered:
        rendered = cls(text)
        rendered.entry = entry
        return rendered


def render_faq(*, question: str, answer: str, language: str) -> Rendered:
    text = templates.render_faq(question=question, answer=answer, language=language)
    return Rendered.of(text, Entry(source_type=FAQ, title=question, language=language))


def render_product(
    *, name: str, description: str, price: str, attributes: Sequence[Attribute], language: str
) -> Rendered:
    text = templates.render_product(
        name=name, description=description, price=price, attributes=attributes, language=language
    )
    values = {one.name: one.value for one in attributes}
    entry = Entry(
        source_type=PRODUCT,
        title=name,
        section=values.pop("category", ""),
        tags=tuple(filter(None, values.pop("tags", "").split(", "))),
        language=language,
        metadata={"price": price, **values},
    )
    return Rendered.of(text, entry)


def fields_in(text: str) -> tuple[Field, ...]:
    """None of a text that no row was rendered to."""
    return fields_of(text.entry, text) if isinstance(text, Rendered) else ()


def stored_fields(draft: Draft) -> tuple[Field, ...]:
    """Of what an import makes of a row."""
    entry = Entry(
        source_type=draft.source_type,
        title=draft.title,
        section=draft.section,
        tags=draft.tags,
        language=draft.language,
        metadata=draft.metadata,
    )
    return fields_of(entry, draft.content)
