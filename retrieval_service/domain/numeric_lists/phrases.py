"""What a list by a stored number says around its lines, in the customer's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ListingPhrases:
    """`{value}`, `{low}`, `{high}`, `{range}`, `{count}` and `{name}` are put in; lead-ins end with a colon."""

    up_to: str
    below: str
    at_least: str
    above: str
    between: str
    about: str
    within: str
    nothing_within: str
    lowest_price: str
    highest_price: str
    lowest: str
    highest: str
    by_price: str
    count: str
    more: str
    other_currency: str
    apart: str
    in_stock_all: str
    out_of_stock_all: str
    none_in_stock: str
    none_out_of_stock: str
    in_stock: str
    out_of_stock: str


_ENGLISH = ListingPhrases(
    up_to="up to {value}",
    below="below {value}",
    at_least="from {value}",
    above="over {value}",
    between="from {low} to {high}",
    about="about {value}",
    within="What there is {range}:",
    nothing_within="There is nothing {range}; this comes nearest:",
    lowest_price="The lowest price:",
    highest_price="The highest price:",
    lowest="The lowest value, {name}:",
    highest="The highest value, {name}:",
    by_price="By price:",
    count="{count} in all:",
    more="and {count} more",
    other_currency="Prices are in {name} here, not in {value}:",
    apart="{count} more have a price in another currency or in words",
    in_stock_all="In stock, {count} in all:",
    out_of_stock_all="Out of stock, {count} in all:",
    none_in_stock="None of these is in stock:",
    none_out_of_stock="All of these are in stock:",
    in_stock="in stock",
    out_of_stock="out of stock",
)
_PHRASES: Mapping[str, ListingPhrases] = {
    "en": _ENGLISH,
    "ru": ListingPhrases(
        up_to="до {value}",
        below="меньше {value}",
        at_least="от {value}",
        above="больше {value}",
        between="от {low} до {high}",
        about="около {value}",
        within="Вот что есть {range}:",
        nothing_within="Ничего {range} нет, ближе всего:",
        lowest_price="Самая низкая цена:",
        highest_price="Самая высокая цена:",
        lowest="Наименьшее значение, {name}:",
        highest="Наибольшее значение, {name}:",
        by_price="По цене:",
        count="Всего {count}:",
        more="и ещё {count}",
        other_currency="Цены здесь в валюте {name}, а не {value}:",
        apart="ещё у {count} цена в другой валюте или не числом",
        in_stock_all="В наличии, всего {count}:",
        out_of_stock_all="Нет в наличии, всего {count}:",
        none_in_stock="Ничего из этого в наличии нет:",
        none_out_of_stock="Всё это есть в наличии:",
        in_stock="в наличии",
        out_of_stock="нет в наличии",
    ),
    "pt": ListingPhrases(
        up_to="até {value}",
        below="abaixo de {value}",
        at_least="a partir de {value}",
        above="acima de {value}",
        between="de {low} a {high}",
        about="por cerca de {value}",
        within="O que há {range}:",
        nothing_within="Não há nada {range}; o mais próximo:",
        lowest_price="O menor preço:",
        highest_price="O maior preço:",
        lowest="O menor valor, {name}:",
        highest="O maior valor, {name}:",
        by_price="Por preço:",
        count="{count} no total:",
        more="e mais {count}",
        other_currency="Os preços aqui são em {name}, não em {value}:",
        apart="mais {count} com preço em outra moeda ou por extenso",
        in_stock_all="Em estoque, {count} no total:",
        out_of_stock_all="Fora de estoque, {count} no total:",
        none_in_stock="Nada disto está em estoque:",
        none_out_of_stock="Tudo isto está em estoque:",
        in_stock="em estoque",
        out_of_stock="fora de estoque",
    ),
}


def listing_phrases(language: str) -> ListingPhrases:
    """English for a language that has none."""
    return _PHRASES.get(language, _ENGLISH)
