"""The fields of a product or a question with its answer, from what is stored of it and never from a text's labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from retrieval_service.domain.documents import templates
from retrieval_service.domain.documents.documents import JsonValue
from retrieval_service.domain.documents.stock import stock_in
from retrieval_service.domain.documents.templates import LANGUAGES, Role

PRODUCT, FAQ = "product", "faq"
PRICE, CURRENCY, IN_STOCK = "price", "currency", "in_stock"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is stored of a document besides its text."""

    source_type: str = ""
    title: str = ""
    section: str = ""
    tags: tuple[str, ...] = ()
    language: str = ""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of an entry; `label` is empty for the body."""

    role: Role
    label: str
    text: str


def fields_of(entry: Entry, text: str) -> tuple[Field, ...]:
    """Name, price and properties as they are stored, and what of the text none of them is."""
    if entry.source_type == PRODUCT and entry.title:
        return tuple(_product_fields(entry, text))
    if entry.source_type == FAQ and entry.title:
        return tuple(_faq_fields(entry, text))
    return _only(Role.BODY, text)


def stock_of(entry: Entry) -> str:
    """ "in stock: yes"; empty where nothing is known."""
    stated = stock_in(entry.metadata)
    if stated is None:
        return ""
    label = templates.attribute_label(IN_STOCK, entry.language)
    return f"{label[:1].lower()}{label[1:]}: {templates.yes_or_no(stated[1], entry.language)}"


def _field_of_stock(entry: Entry) -> str:
    """The field that says no more than the stock does: a number says how many there are."""
    name, _ = stock_in(entry.metadata) or ("", False)
    is_word = isinstance(entry.metadata.get(name), bool | str) and not any(
        map(str.isdigit, str(entry.metadata[name]))
    )
    return name if is_word else ""


def price_of(entry: Entry) -> str:
    return _price(entry, entry.language)


def _product_fields(entry: Entry, text: str) -> Iterator[Field]:
    yield Field(role=Role.NAME, label="", text=entry.title)
    stored = frozenset(line for language in LANGUAGES for line in _stored_lines(entry, language))
    claims = tuple(_claims(entry))
    lines = (line for line in text.splitlines() if line not in stored and not line.startswith(claims))
    description = _unlabelled("\n".join(lines), Role.DESCRIPTION)
    yield from _only(Role.DESCRIPTION, description)
    if price := price_of(entry):
        yield Field(role=Role.PRICE, label=templates.label(Role.PRICE, entry.language), text=price)
    stock, told = stock_of(entry), _field_of_stock(entry)
    if stock:
        yield Field(role=Role.STOCK, label="", text=stock)
    for name, value in _properties(entry, entry.language):
        if name == told:  # in the words that stand before every property
            name, value = IN_STOCK, stock.rpartition(": ")[2]
        role = Role.GROUP if name in {"category", "tags"} else Role.ATTRIBUTE
        label, text = templates.in_words(templates.Attribute(name=name, value=value), entry.language)
        yield Field(role=role, label=label, text=text)


def _faq_fields(entry: Entry, text: str) -> Iterator[Field]:
    yield Field(role=Role.QUESTION, label="", text=entry.title)
    first, _, rest = text.partition("\n")
    labels = (templates.label(Role.QUESTION, language) for language in LANGUAGES)
    is_asked = first in {f"{label}: {entry.title}" for label in labels}
    yield from _only(Role.ANSWER, _unlabelled(rest, Role.ANSWER) if is_asked else text)


def _stored_lines(entry: Entry, language: str) -> Iterator[str]:
    """Those that a text in this language was given for the stored fields, also with the names of the fields."""
    yield f"{templates.label(Role.NAME, language)}: {entry.title}"
    yield f"{templates.label(Role.PRICE, language)}: {_price(entry, language)}"
    for name, value in _properties(entry, language):
        attribute = templates.Attribute(name=name, value=value)
        yield templates.attribute_line(attribute, language)
        yield f"{templates.attribute_label(name, language)}: {value}"
        yield from templates.former_lines(attribute)


def _claims(entry: Entry) -> Iterator[str]:
    """How a line begins that speaks in the place of a stored field: what is stored is shown, and not that."""
    for language in LANGUAGES:
        yield f"{templates.label(Role.NAME, language)}: "
        if entry.metadata.get(PRICE) is not None:
            yield f"{templates.label(Role.PRICE, language)}: "
        if stock_of(entry):
            yield f"{templates.attribute_label(IN_STOCK, language)}: "


def _properties(entry: Entry, language: str) -> Iterator[tuple[str, str]]:
    own = {name: value for name, value in entry.metadata.items() if name not in {PRICE, CURRENCY}}
    values: dict[str, JsonValue] = {"category": entry.section, "tags": list(entry.tags), **own}
    return ((one.name, one.value) for one in templates.attributes(values, language))


def _price(entry: Entry, language: str) -> str:
    return templates.price_text(entry.metadata.get(PRICE), str(entry.metadata.get(CURRENCY) or ""), language)


def _unlabelled(text: str, role: Role) -> str:
    """Without the label that a rendered field begins with."""
    labels = (f"{templates.label(role, language)}: " for language in LANGUAGES)
    return next((text.removeprefix(label) for label in labels if text.startswith(label)), text)


def _only(role: Role, text: str) -> tuple[Field, ...]:
    return (Field(role=role, label="", text=text),) if text.strip() else ()
