"""Who a customer is, in their own words: names, contacts, papers and addresses, which no later question needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, pairwise

from retrieval_service.domain.facts import contacts_of
from retrieval_service.domain.personal_names import CAPITAL_NAME, NAME, Names, names_in

LEFT_OUT = "…"
_CACHED_TEXTS = 512
# Of one conversation; each is looked for in all of it.
_MOST_LITERAL = 300

# Cards, passports, tax numbers; dates look alike and are none. Only a CNPJ has a slash: "250/500/1000 g" are sizes.
_PAPER = re.compile(
    r"(?<![\w.,/-])(?:\d{2}\.?\d{3}\.?\d{3}/\d{4}-?\d{2}|\d(?:[ .\-\u00a0]?\d){8,21})(?![\w/])"
)
_DIGIT = re.compile(r"\d")
_DATE = re.compile(r"(?<!\d)(?:\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{4}-\d{2}-\d{2})(?!\d)")
# A number behind these is of a thing.
_OF_A_THING = re.compile(
    r"""
    \b(?:order|barcode|ean|gtin|upc|sku|asin|item|article|model|track(?:ing)?|parcel|shipment|invoice|ref(?:erence)?
    |заказ\w{0,3}|штрих-?код\w{0,3}|арт(?:икул\w{0,3})?|трек\w{0,3}|накладн\w{2,3}|отправлени\w|посылк\w{1,2}|модел\w{1,2}
    |pedido|encomenda|código|codigo|rastrei?o|rastreamento|artigo|referência|modelo|nota\ fiscal)\b
    [.:\#№\s-]{0,3}
    (?:(?:number|no|nr|num|code|id|is|номер\w{0,2}|код\w{0,2}|número|numero|nº|n°|é|de|barras|rastrei?o)[.:\#№\s]{1,3}){0,3}
    \Z
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_BEFORE = 48
_COUNTED = re.compile(
    r"[ \u00a0]?(?:g|gr|kg|ml|l|pcs|pieces|items|units|г|гр|кг|мл|л|шт|штук\w?|грамм\w{0,2}|un|unidades|gramas)\b",
    re.IGNORECASE,
)
LEAST_LISTED = 5

_STREET = (
    r"(?:ул(?:ица|ице|ицы|\.|(?=\s))|просп(?:ект|екте|\.)|пр-т|пер(?:еулок|еулке|\.)|наб(?:ережная|ережной|\.)|шоссе|"
    r"бульваре?|б-р|rua|(?-i:R\.)|avenida|av\.|travessa|alameda|rodovia)"
)
_HOUSE = (
    r"(?:,?\s{0,3}(?:д(?:ом)?\.?|№|n[ºo°.]?|корп(?:ус)?\.?|к\.|стр\.?|кв(?:артира)?\.?|ap(?:to|artment)?\.?)?"
    r"\s{0,3}\d{1,6}[^\W\d_]?(?:[-/]\d{1,4}[^\W\d_]?)?\b)"
)
_FLAT = r"(?:,?\s{0,3}(?:apt|apartment|flat|unit|suite)\.?\s{0,3}\d{1,6}\w?)"
_NUMBERED_NAME = rf"\d{{1,5}}[a-z]? (?:{CAPITAL_NAME} ){{1,3}}"
_STREET_WORD = r"(?:street|avenue|road|lane|drive|boulevard|way|court)\b"
_ADDRESS = re.compile(
    rf"\b{_STREET}\s{{0,3}}{NAME}\.?(?:\s{NAME}){{0,3}}{_HOUSE}{{1,4}}|\b{NAME} {_STREET}{_HOUSE}{{1,4}}",
    re.IGNORECASE,
)
# "10 Golden Monkey Way set" is a tea: a street is introduced, shortened, or followed by its town or nothing.
_ENGLISH_ADDRESS = re.compile(
    rf"\b(?:at|address(?: is)?:?|lives?(?: at| on| in)?|(?:ship|deliver|send)\w{{0,3}}(?: it| them| this)? to)"
    rf" ({_NUMBERED_NAME}{_STREET_WORD}{_FLAT}?)"
    rf"|\b({_NUMBERED_NAME}(?:st|ave|rd|ln|dr|blvd)\b\.?{_FLAT}?)"
    rf"|\b({_NUMBERED_NAME}{_STREET_WORD}(?:{_FLAT}|(?=\s{{0,3}}(?:[.\n]|\Z|,\s{{0,3}}{CAPITAL_NAME}))))",
    re.IGNORECASE,
)
# Up to the end of the sentence, which the dot of "ул." is not.
_SAID_ADDRESS = re.compile(
    r"(?<!mail )\b(?:адрес\w{0,3}(?: доставки)?|(?:delivery |shipping )?address|endereço(?: de entrega)?) ?:[ \t]{0,3}"
    r"(?=[^\n!?]{0,200}\d)((?:[^\n!?.;]|(?<=\b[^\W\d_])\.|(?<=\b[^\W\d_]{2})\.|(?<=\bпросп)\.|\.(?=\S)){3,200})",
    re.IGNORECASE,
)
_CEP = re.compile(r"\bcep:?[ \t]{0,3}\d{5}-?\d{3}\b", re.IGNORECASE)
# A telephone of a town, an IBAN.
_NUMBERED = re.compile(
    r"(?<![\w-])\d{2,3}-\d{2}-\d{2}(?![\w-])|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"
)
_SHORT_PHONE = re.compile(
    r"\b(?:tel|telefone|phone|телефон\w{0,2}|тел|(?:по)?звони(?:те|ть)|call|ligue|ligar|liguem)\b[.:]?"
    r"(?: (?:me|is|é|на|по|номер|number|on|at|para|o|мой)\b:?){0,2} {0,3}(\d{3}[- ]\d{4})(?![\w-])",
    re.IGNORECASE,
)
_PASSPORT = re.compile(
    r"\b(?:passport|паспорт\w{0,2}|passaporte)(?: (?:no|number|is|номер|número|nº|é)\b)?[ .:№]{1,3}"
    r"([a-z]{0,2} ?\d{6,9})\b|\bсери[яию]:? {0,3}\d{2} ?\d{2},? {0,3}(?:номер|№):? {0,3}\d{6}\b",
    re.IGNORECASE,
)
_BIRTH = re.compile(
    r"\b(?:родил(?:ся|ась)|дата рождения|born|birth(?: ?date)?|nasci(?:da|do|mento)?)\b[ ,:—–-]{0,3}"
    r"(?:(?:on|is|em|é|no dia|в)\b ?)?"
    r"(\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}(?:st|nd|rd|th|º)? (?:de |of )?[^\W\d_]{3,10}(?:,? (?:de )?\d{4})?"
    r"|[a-z]{3,10} \d{1,2}(?:st|nd|rd|th)?,? \d{4})(?!\w)",
    re.IGNORECASE,
)
# "ivan собака mail.ru", "@ivan_petrov", "t.me/ivan_petrov", "telegram: ivan_petrov".
_AT = r"\s{0,2}[(\[]?\s{0,2}(?:\bat\b|\bсобака\b|\barroba\b)\s{0,2}[)\]]?\s{0,2}"
_DOT = r"(?:\.|\s{0,2}[(\[]?\s{0,2}(?:\bdot\b|\bточка\b|\bponto\b)\s{0,2}[)\]]?\s{0,2})"
_HANDLE = re.compile(
    rf"(?<![\w.+-])[\w.+-]{{1,64}}{_AT}[\w-]{{1,64}}(?:{_DOT}[\w-]{{2,64}}){{1,3}}|(?<![\w.@])@[a-z]\w{{4,31}}"
    r"|\b(?:t\.me|wa\.me|vk\.com|instagram\.com|facebook\.com)/[\w.]{3,63}\w"
    r"|\b(?:telegram|телеграмм?|тг|tg|instagram|инстаграмм?|skype|whatsapp|ватсап) ?: ?@?([a-z][\w.]{3,63}\w)",
    re.IGNORECASE,
)
_WITH_DIGITS = (
    _HANDLE,
    _ADDRESS,
    _ENGLISH_ADDRESS,
    _SAID_ADDRESS,
    _CEP,
    _NUMBERED,
    _SHORT_PHONE,
    _PASSPORT,
    _BIRTH,
)


@dataclass(frozen=True, kw_only=True)
class Personal:
    """`contacts` in normal form, `papers` as digits, `literal` ones as they were written."""

    contacts: frozenset[str] = frozenset()
    papers: frozenset[str] = frozenset()
    names: Names = field(default_factory=Names)
    literal: frozenset[str] = frozenset()

    def without(self, text: str) -> str:
        """With an ellipsis in place of each of these; what else the text names is somebody else's."""
        if not (self.contacts or self.papers or self.names or self.literal):
            return text
        kept, end = [], 0
        for start, stop in sorted(self._places(text)):
            if start >= end:
                kept.append(text[end:start])
            end = max(end, stop)
        return LEFT_OUT.join([*kept, text[end:]])

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        for contact in contacts_of(text) if self.contacts else ():
            if contact.readings & self.contacts:
                yield contact.start, contact.end
        for paper in _PAPER.finditer(text) if self.papers else ():
            if _digits(paper[0]) in self.papers:
                yield paper.span()
        for said in islice(sorted(self.literal), _MOST_LITERAL):
            yield from (found.span() for found in re.finditer(re.escape(said), text, re.IGNORECASE))
        yield from self.names.places(text)


def personal_in(texts: Iterable[str]) -> Personal:
    """What customers say of themselves in these."""
    texts = list(texts)
    said = [_said_in(text) for text in texts]
    return Personal(
        contacts=frozenset[str]().union(*(one.contacts for one in said)),
        papers=frozenset[str]().union(*(one.papers for one in said)),
        names=names_in(texts),
        literal=frozenset[str]().union(*(one.literal for one in said)),
    )


@lru_cache(maxsize=_CACHED_TEXTS)
def _said_in(text: str) -> Personal:
    """A conversation is read anew with each of its questions."""
    has_digits = _DIGIT.search(text) is not None
    contacts = contacts_of(text) if has_digits or "@" in text else []
    patterns = _WITH_DIGITS if has_digits else (_HANDLE,)
    return Personal(
        contacts=frozenset(
            reading
            for contact in contacts
            if not _is_of_a_thing(text, contact.start, contact.end)
            for reading in contact.readings
        ),
        papers=frozenset(map(_digits, _papers(text))) if has_digits else frozenset(),
        literal=frozenset(said for pattern in patterns for said in _literally(pattern, text)),
    )


def _literally(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    for found in pattern.finditer(text):
        start, end = found.span(found.lastindex or 0)
        if pattern is not _NUMBERED or not _is_of_a_thing(text, start, end):
            yield text[start:end].strip(" ,")


def _papers(text: str) -> Iterator[str]:
    undated = _DATE.sub(lambda date: " " * len(date[0]), text)
    for paper in _PAPER.finditer(undated):
        if not _is_of_a_thing(undated, *paper.span()):
            yield paper[0]


def _is_of_a_thing(text: str, start: int, end: int) -> bool:
    """An order's or an article's number, or amounts to choose from."""
    before = text[max(0, start - _LONGEST_BEFORE) : start]
    return _OF_A_THING.search(before) is not None or _is_list(text, start, end)


def _is_list(text: str, start: int, end: int) -> bool:
    """ "2 3 4 5 6 7 8 9 10 штук", "250 500 1000 g"."""
    numbers = text[start:end].split()
    if not all(number.isdecimal() and number[0] != "0" and len(number) < 5 for number in numbers):
        return False
    amounts = [int(number) for number in numbers]
    is_ascending = len(amounts) > 2 and all(one < other for one, other in pairwise(amounts))
    return is_ascending and (len(amounts) >= LEAST_LISTED or _COUNTED.match(text, end) is not None)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)
