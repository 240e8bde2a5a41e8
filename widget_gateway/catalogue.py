"""The demo shop's products and help texts, from the file that was imported into the service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

# The catalogue itself is in Russian.
TRANSLATIONS = ("en", "pt")


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product; `price` is formatted, "" when unknown."""

    product_id: str
    name: str
    description: str
    price: str
    category: str
    in_stock: bool


@dataclass(frozen=True, kw_only=True)
class HelpText:
    """A question with its answer, or a policy with its text."""

    help_id: str
    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What the pages show."""

    products: tuple[Product, ...] = ()
    help_texts: tuple[HelpText, ...] = ()
    # By language, where there are any.
    translated_help_texts: Mapping[str, tuple[HelpText, ...]] = field(default_factory=dict)

    def product(self, product_id: str) -> Product | None:
        return next((item for item in self.products if item.product_id == product_id), None)

    def by_category(self) -> Mapping[str, tuple[Product, ...]]:
        """In the order of the file."""
        names = dict.fromkeys(product.category for product in self.products)
        return {
            name: tuple(product for product in self.products if product.category == name) for name in names
        }


class CatalogueInvalid(Exception):
    """The file named by KLADEZ_GATEWAY_DEMO_CATALOGUE cannot be read as a shop."""


def read(path: Path | None) -> Catalogue:
    """Help texts in another language stand in a file beside it: shop.en.json beside shop.json or shop.ru.json."""
    if path is None:
        return Catalogue()
    beside = {code: path.with_suffix("").with_suffix(f".{code}.json") for code in TRANSLATIONS}
    translated = {code: read_one(file).help_texts for code, file in beside.items() if file.exists()}
    return replace(read_one(path), translated_help_texts=translated)


def read_one(path: Path) -> Catalogue:
    try:
        return parsed(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CatalogueInvalid(f"{path.name}: {type(error).__name__}: {error}") from error


def parsed(shop: Mapping[str, Any]) -> Catalogue:
    questions = [help_text(row, "question", "answer") for row in shop.get("faq", [])]
    policies = [help_text(row, "title", "content") for row in shop.get("policies", [])]
    return Catalogue(
        products=tuple(product(row) for row in shop.get("products", [])),
        help_texts=(*questions, *policies),
    )


def product(row: Mapping[str, Any]) -> Product:
    return Product(
        product_id=str(row["id"]),
        name=str(row["name"]),
        description=str(row.get("description", "")),
        price=money(row.get("price"), str(row.get("currency", ""))),
        category=str(row.get("category", "")),
        in_stock=bool(row.get("in_stock", True)),
    )


def help_text(row: Mapping[str, Any], title: str, text: str) -> HelpText:
    return HelpText(help_id=str(row["id"]), title=str(row[title]), text=str(row[text]).replace("## ", ""))


def money(price: float | None, currency: str) -> str:
    if price is None:
        return ""
    return f"{price:,.0f}".replace(",", "\u202f") + "\u00a0" + {"RUB": "₽"}.get(currency, currency)
