"""Whether a thing is in stock: from whatever its shop calls the field, and writes into it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from retrieval_service.domain.documents.documents import JsonValue


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Without "is", spaces, hyphens and underscores: as shops and the formats of their exports name it.
_FLAGS = _words(
    "instock available availability stockstatus stockstate stock inventory stockquantity stockqty stocklevel "
    "stockcount inventoryquantity onhand наличие вналичии доступно остаток остатки насклада наскладе складскойостаток "
    "emestoque estoque disponivel disponível disponibilidade statusestoque quantidadeestoque estoqueatual"
)
# These may also tell how many there are in a pack, but none of them means that there is none left.
_QUANTITIES = frozenset(["quantity", "qty", "количество", "колво", "quantidade", "qtd"])
STOCK_NAMES = _FLAGS | _QUANTITIES
LONGEST_VALUE = 60
_IGNORED = re.compile(r"[\W_]+")
_COUNT = re.compile(r"(\d{1,9})(?:[.,]0{1,3})?\s?(?:шт|штук|pcs|pieces?|un|unid|unidades?|peças?)?\.?")
_YES = _words(
    "yes y true instock available onstock есть да имеется вналичии естьвналичии наскладе доступно доступен много мало "
    "lots plenty many few limited muito muitos muitas poucos poucas bastante достаточно "
    "sim s emestoque disponivel disponível temestoque lowstock limitedavailability instoreonly onlineonly"
)
_NO = _words(
    "no n false none outofstock soldout unavailable notavailable notinstock discontinued нет н ненаскладе невналичии "
    "нетвналичии отсутствует распродан распродана распродано распроданы закончился закончилась закончилось закончились "
    "недоступно não nao esgotado esgotada esgotados esgotadas indisponivel indisponível semestoque foradeestoque"
)


def stock_in(metadata: Mapping[str, JsonValue]) -> tuple[str, bool] | None:
    """The field that tells and what it tells; None where none does. A quantity counts where nothing else does."""
    named = {name: _squeezed(name.rpartition(".")[2]) for name in metadata}
    by_rank = sorted(
        (name for name, said in named.items() if said in STOCK_NAMES),
        key=lambda name: (named[name] in _QUANTITIES, not isinstance(metadata[name], bool)),
    )
    return next(_told(by_rank, metadata), None)


def _told(names: list[str], metadata: Mapping[str, JsonValue]) -> Iterator[tuple[str, bool]]:
    for name in names:
        if (stated := _read(metadata[name])) is not None:
            yield name, stated


def _read(value: JsonValue) -> bool | None:
    """What says neither ("to order") tells nothing."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _read_text(value.strip().casefold())
    return value > 0 if isinstance(value, int | float | Decimal) else None


def _read_text(value: str) -> bool | None:
    if len(value) > LONGEST_VALUE:
        return None
    if counted := _COUNT.fullmatch(value):
        return int(counted[1]) > 0
    word = _squeezed(value.rpartition("/")[2])  # "https://schema.org/InStock"
    return True if word in _YES else False if word in _NO else None


def _squeezed(name: str) -> str:
    return _IGNORED.sub("", name.casefold()).removeprefix("is")
