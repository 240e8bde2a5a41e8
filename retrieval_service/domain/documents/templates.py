"""How rows of a shop become text in their own language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from retrieval_service.domain.documents.documents import JsonValue
from retrieval_service.domain.documents.field_units import measured
from retrieval_service.text.facts.prices import format_price, with_currency


class Role(StrEnum):
    """What a field of an entry is; a group is the category or the tags, which nobody quotes."""

    NAME = "name"
    DESCRIPTION = "description"
    PRICE = "price"
    QUESTION = "question"
    ANSWER = "answer"
    STOCK = "stock"
    GROUP = "group"
    ATTRIBUTE = "attribute"
    BODY = "body"


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
        "old_price": "Old price",
        "sale_price": "Sale price",
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
        "old_price": "Старая цена",
        "sale_price": "Цена со скидкой",
        "stock": "Остаток",
        "colour": "Цвет",
        "colors": "Цвета",
        "length": "Длина",
        "width": "Ширина",
        "height": "Высота",
        "power": "Мощность",
        "voltage": "Напряжение",
        "capacity": "Вместимость",
        "warranty": "Гарантия",
        "battery": "Батарея",
        "battery_life": "Время работы",
        "lifetime": "Срок службы",
        "memory": "Память",
        "screen": "Экран",
        "seats": "Мест",
        "age": "Возраст",
        "noise_level": "Уровень шума",
        "quantity": "Количество",
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
        "old_price": "Preço antigo",
        "sale_price": "Preço promocional",
        "stock": "Estoque",
        "colour": "Cor",
        "colors": "Cores",
        "length": "Comprimento",
        "width": "Largura",
        "height": "Altura",
        "power": "Potência",
        "voltage": "Voltagem",
        "capacity": "Capacidade",
        "warranty": "Garantia",
        "battery": "Bateria",
        "battery_life": "Duração da bateria",
        "lifetime": "Vida útil",
        "memory": "Memória",
        "screen": "Tela",
        "seats": "Lugares",
        "age": "Idade",
        "noise_level": "Nível de ruído",
        "quantity": "Quantidade",
    },
    yes="sim",
    no="não",
)
_WORDS: Mapping[str, _Words] = {"en": _ENGLISH, "ru": _RUSSIAN, "pt": _PORTUGUESE}
_NO_PROPERTIES = frozenset({"category", "tags", "in_stock", "stock", "quantity", "old_price", "sale_price"})
_LONGEST_ATTRIBUTE = 300
# What has none is an abbreviation: "NFC".
_VOWEL = re.compile("[aeiouyаеёиоуыэюяà-ü]")
# What a group of fields is called that says nothing of them.
_CONTAINERS = (
    "options attributes attrs properties props params parameters specs specifications details features characteristics "
    "характеристики параметры свойства opcoes opções atributos caracteristicas características"
)
# Where a program would begin a new word: "oldPrice", "old_price", "options.size".
_WORD_BORDER = re.compile(r"(?<=[^\W\d_])[_.]+(?=[^\W_])|(?<=[a-z][a-z])(?=[A-Z][a-z])")


def render_product(
    *, name: str, description: str, price: str, attributes: Iterable[Attribute], language: str
) -> str:
    """One field a line; `price` is already formatted, empty when there is none."""
    words = _words(language)
    known = {Role.NAME: name, Role.DESCRIPTION: description, Role.PRICE: price}
    lines = [f"{words.labels[role]}: {text}" for role, text in known.items() if text]
    lines += [attribute_line(one, language) for one in attributes]
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


def price_text(price: object, currency: str, language: str) -> str:
    """As people of the language write it; a price in words keeps them, nothing for none."""
    if isinstance(price, int | float | Decimal) and not isinstance(price, bool):
        return format_price(Decimal(str(price)), currency, language)
    return with_currency(price, currency, language) if isinstance(price, str) else ""


def attributes(values: Mapping[str, JsonValue], language: str) -> list[Attribute]:
    """Those worth searching: short texts and numbers, no addresses."""
    texts = {name: _attribute_text(value, language) for name, value in values.items()}
    return [Attribute(name=name, value=text) for name, text in texts.items() if _is_worth_searching(text)]


def attribute_label(name: str, language: str) -> str:
    """What customers read for a field's name: "Old price" for "old_price"; what has spaces was written for people."""
    known = _words(language).attributes
    own = name if name in known else _without_container(name)
    if own in known or " " in own:
        return known.get(own, own)
    return known.get(own.casefold()) or known.get(_snake(own)) or _in_words(own)


def usual_labels(language: str) -> list[str]:
    """What shops usually tell of their things besides price, stock and kind."""
    names = {name for words in _WORDS.values() for name in words.attributes} - _NO_PROPERTIES
    return sorted({attribute_label(name, language) for name in names})


def in_words(attribute: Attribute, language: str) -> tuple[str, str]:
    """What customers read for a field and its value: "Weight" and "17.5 kg" for a "weight_kg" of 17.5."""
    own = _without_container(attribute.name)
    parts = [part for part in _WORD_BORDER.split(attribute.name.strip("_")) if part]
    is_known = not {attribute.name, own}.isdisjoint(_words(language).attributes) or " " in own
    value = "" if is_known else measured(parts, attribute.value, language)
    name = "_".join(parts[:-1]) if value else attribute.name
    return attribute_label(name, language), value or attribute.value


def attribute_line(attribute: Attribute, language: str) -> str:
    """How a text states it."""
    return ": ".join(in_words(attribute, language))


def former_lines(attribute: Attribute) -> tuple[str, str]:
    """How texts have stated it that were stored before."""
    return f"{attribute.name}: {attribute.value}", f"{_in_words(attribute.name)}: {attribute.value}"


def label(role: Role, language: str) -> str:
    """What stands before a field of its own."""
    return _words(language).labels[role]


LANGUAGES = tuple(_WORDS)


def _attribute_text(value: JsonValue, language: str) -> str:
    if isinstance(value, bool):
        return yes_or_no(value, language)
    if isinstance(value, list):
        return ", ".join(filter(None, (_attribute_text(part, language) for part in value)))
    if isinstance(value, Decimal):
        return format(value, "f")
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""


def _is_worth_searching(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_ATTRIBUTE and not text.startswith(("http://", "https://", "/"))


def _without_container(name: str) -> str:
    """ "options.size" is a size."""
    container, _, own = name.partition(".")
    return own if own and container.casefold() in _CONTAINERS.split() else name


def _snake(name: str) -> str:
    return "_".join(part.lower() for part in _WORD_BORDER.split(name))


def _in_words(name: str) -> str:
    first, *others = _WORD_BORDER.split(name.strip("_"))
    return (
        " ".join([first[:1].upper() + first[1:], *map(_uncapitalized, others)])
        if others
        else _capitalized(name)
    )


def _capitalized(name: str) -> str:
    """Not "iPhone", nor what no person is meant to read."""
    if not (name.islower() and name.isalpha()):
        return name
    return f"{name[:1].upper()}{name[1:]}" if _VOWEL.search(name) else name.upper()


def _uncapitalized(word: str) -> str:
    return word if word.isupper() else word[:1].lower() + word[1:]


def _words(language: str) -> _Words:
    return _WORDS.get(language, _ENGLISH)
