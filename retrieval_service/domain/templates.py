"""How rows of a shop become text in their own language, and how that text is read back field by field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a field of a rendered text is; a group is the category or the tags, which nobody quotes."""

    NAME = "name"
    DESCRIPTION = "description"
    PRICE = "price"
    QUESTION = "question"
    ANSWER = "answer"
    GROUP = "group"
    ATTRIBUTE = "attribute"
    BODY = "body"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a rendered text; `label` is empty for the body."""

    role: Role
    label: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """A property of a product by its field's own name."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class _Words:
    labels: Mapping[Role, str]
    attributes: Mapping[str, str]
    yes: str
    no: str


_ENGLISH = _Words(
    labels={
        Role.NAME: "Name",
        Role.DESCRIPTION: "Description",
        Role.PRICE: "Price",
        Role.QUESTION: "Question",
        Role.ANSWER: "Answer",
    },
    attributes={
        "category": "Category",
        "tags": "Tags",
        "in_stock": "In stock",
        "weight_grams": "Weight, g",
        "sku": "SKU",
    },
    yes="yes",
    no="no",
)
_RUSSIAN = _Words(
    labels={
        Role.NAME: "Название",
        Role.DESCRIPTION: "Описание",
        Role.PRICE: "Цена",
        Role.QUESTION: "Вопрос",
        Role.ANSWER: "Ответ",
    },
    attributes={
        "category": "Категория",
        "tags": "Теги",
        "brand": "Бренд",
        "origin": "Происхождение",
        "country": "Страна",
        "color": "Цвет",
        "size": "Размер",
        "weight": "Вес",
        "weight_grams": "Вес, г",
        "volume": "Объём",
        "material": "Материал",
        "ingredients": "Состав",
        "caffeine": "Кофеин",
        "in_stock": "В наличии",
        "sku": "Артикул",
    },
    yes="да",
    no="нет",
)
_PORTUGUESE = _Words(
    labels={
        Role.NAME: "Nome",
        Role.DESCRIPTION: "Descrição",
        Role.PRICE: "Preço",
        Role.QUESTION: "Pergunta",
        Role.ANSWER: "Resposta",
    },
    attributes={
        "category": "Categoria",
        "tags": "Etiquetas",
        "brand": "Marca",
        "origin": "Origem",
        "country": "País",
        "color": "Cor",
        "size": "Tamanho",
        "weight": "Peso",
        "weight_grams": "Peso, g",
        "volume": "Volume",
        "material": "Material",
        "ingredients": "Ingredientes",
        "caffeine": "Cafeína",
        "in_stock": "Em estoque",
        "sku": "Código",
    },
    yes="sim",
    no="não",
)
_WORDS: Mapping[str, _Words] = {"en": _ENGLISH, "ru": _RUSSIAN, "pt": _PORTUGUESE}
_ROLES = {label: role for words in _WORDS.values() for role, label in words.labels.items()} | {
    words.attributes[name]: Role.GROUP for words in _WORDS.values() for name in ("category", "tags")
}
_LABELLED_LINE = re.compile(r"(?P<label>[^\W\d][^:\n]{0,39}):[ \t]+(?P<text>\S.*)")


def render_product(
    *, name: str, description: str, price: str, attributes: Iterable[Attribute], language: str
) -> str:
    """One field a line; `price` is already formatted, empty when there is none."""
    words = _words(language)
    known = {Role.NAME: name, Role.DESCRIPTION: description, Role.PRICE: price}
    lines = [f"{words.labels[role]}: {text}" for role, text in known.items() if text]
    lines += [_attribute_line(attribute, words) for attribute in attributes]
    return "\n".join(lines)


def render_faq(*, question: str, answer: str, language: str) -> str:
    """The question on its own line, so that the answer can be quoted without it."""
    labels = _words(language).labels
    return f"{labels[Role.QUESTION]}: {question}\n{labels[Role.ANSWER]}: {answer}"


def render_policy(*, title: str, content: str) -> str:
    """Needs no words of its own, so no language."""
    return f"{title}\n\n{content}"


def yes_or_no(value: bool, language: str) -> str:
    """How a text says that a property holds."""
    return _words(language).yes if value else _words(language).no


def read_fields(text: str) -> tuple[Field, ...]:
    """The fields of a rendered text in any of the languages; any other text is one field, its body."""
    fields: list[Field] = []
    for field in _fields_of_lines(text.splitlines(), is_product=_is_product(text)):
        if fields and field.role is Role.BODY:
            fields[-1] = _extend(fields[-1], field.text)
        else:
            fields.append(field)
    return tuple(field for field in fields if field.text.strip())


def _words(language: str) -> _Words:
    return _WORDS.get(language, _ENGLISH)


def _attribute_line(attribute: Attribute, words: _Words) -> str:
    return f"{words.attributes.get(attribute.name, attribute.name)}: {attribute.value}"


def _is_product(text: str) -> bool:
    label, colon, _ = text.lstrip().partition(":")
    return bool(colon) and _ROLES.get(label) is Role.NAME


def _fields_of_lines(lines: Iterable[str], *, is_product: bool) -> Iterator[Field]:
    for line in lines:
        match = _LABELLED_LINE.fullmatch(line.strip())
        role = _role(match["label"], is_product=is_product) if match else Role.BODY
        if match and role is not Role.BODY:
            yield Field(role=role, label=match["label"], text=match["text"])
        else:
            yield Field(role=Role.BODY, label="", text=line)


def _role(label: str, *, is_product: bool) -> Role:
    if is_product:
        return _ROLES.get(label, Role.ATTRIBUTE)
    role = _ROLES.get(label, Role.BODY)
    # "Price: …" in an article is a line like any other.
    return role if role in (Role.QUESTION, Role.ANSWER) else Role.BODY


def _extend(field: Field, line: str) -> Field:
    return Field(role=field.role, label=field.label, text=f"{field.text}\n{line}")
