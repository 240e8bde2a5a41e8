"""Who a customer is, in their own words: names, contacts, papers and addresses, which no later question needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from retrieval_service.domain.facts import contacts_of
from retrieval_service.domain.function_words import FUNCTION_WORDS

LEFT_OUT = "…"
MOST_NAMES = 4
# Shorter names would be found in the middle of what is none: only the exact word is left out.
LEAST_INFLECTED = 4
_CACHED_TEXTS = 512

_GRAMMAR = frozenset[str]().union(*FUNCTION_WORDS.values())
_NAME = r"[^\W\d_]+(?:[-'’][^\W\d_]+)*"
_CAPITAL_NAME = rf"(?-i:(?=[A-ZÀ-ÖØ-ÞĀ-ŽЀ-Я])){_NAME}"
# "João da Silva", "Vincent van Gogh".
_NAMES = rf"{_NAME}(?:(?: (?:de|da|do|das|dos|e|di|von|van|der|bin|ибн|оглы))* {_CAPITAL_NAME}){{0,{MOST_NAMES - 1}}}"
_LOWER_NAMES = rf"(?-i:[a-zß-öø-ÿа-џ]){_NAME}(?: {_NAME})?"
_SAYS = r"[ \t]*[:—–-]?[ \t]*"

# What comes behind these is a name however it is written.
_INTRODUCTION = re.compile(
    r"""
    \bменя\ зовут | \bзовут\ меня | \bмо[её]\ имя | \bмоя\ фамилия | \bна\ имя
    | \b(?:имя|фамилия|фио|получатель|name|surname|recipient|nome|sobrenome|destinatári[oa])\ ?(?=:)
    | \bmy\ (?:full\ |first\ |last\ )?name(?:\ is|['’]s) | \bcall\ me
    | \bin\ the\ name\ of | \bunder\ the\ name(?:\ of)?
    | \bmeu\ (?:nome|sobrenome)\ é | \bme\ chamo | \bchamo-me | \b(?:em|no)\ nome\ de
    """,
    re.IGNORECASE | re.VERBOSE,
)
_AFTER_INTRODUCTION = re.compile(rf"{_SAYS}({_LOWER_NAMES}|{_NAMES})", re.IGNORECASE)
# Behind these only what is written as one.
_PERHAPS_INTRODUCED = re.compile(
    rf"(?:\bя|\bi am|\bi['’]m|\b(?:eu )?sou(?: [oa])?|\baqui é [oa]|\bс уважением,?|\b(?:kind |best )?regards,?|"
    rf"\bsincerely,?|\batenciosamente,?|\babraços,?)\s{_SAYS}({_CAPITAL_NAME}(?: {_CAPITAL_NAME}){{0,2}})",
    re.IGNORECASE,
)

# Cards, passports, tax numbers; dates look alike and are none.
_PAPER = re.compile(r"(?<![\w.,/-])\d(?:[ .\-/\u00a0]?\d){8,21}(?![\w])")
_DIGIT = re.compile(r"\d")
_DATE = re.compile(r"(?<!\d)(?:\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{4}-\d{2}-\d{2})(?!\d)")

_STREET = (
    r"(?:ул(?:ица|ице|ицы|\.)|просп(?:ект|екте|\.)|пр-т|пер(?:еулок|еулке|\.)|наб(?:ережная|ережной|\.)|шоссе|"
    r"бульваре?|б-р|rua|avenida|av\.|travessa|alameda|rodovia)"
)
_HOUSE = (
    r"(?:,?\s*(?:д(?:ом)?\.?|№|n[ºo°.]?|корп(?:ус)?\.?|к\.|стр\.?|кв(?:артира)?\.?|ap(?:to|artment)?\.?)?"
    r"\s*\d+[^\W\d_]?\b)"
)
_ENGLISH_STREET = (
    r"(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|way|court)\b\.?"
    r"(?:,?\s*(?:apt|apartment|flat|unit|suite)\.?\s*\d+\w?)?"
)
_ADDRESS = re.compile(
    rf"\b{_STREET}\s*{_NAME}\.?(?:\s{_NAME}){{0,3}}{_HOUSE}{{1,4}}|\b{_NAME} {_STREET}{_HOUSE}{{1,4}}"
    rf"|\b\d{{1,5}}[a-z]? (?:{_CAPITAL_NAME} ){{1,3}}{_ENGLISH_STREET}",
    re.IGNORECASE,
)
# A telephone of a town, an IBAN.
_NUMBERED = re.compile(
    r"(?<![\w-])\d{2,3}-\d{2}-\d{2}(?![\w-])|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"
)
# "ivan собака mail.ru", "@ivan_petrov".
_AT = r"\s*[(\[]?\s*(?:\bat\b|\bсобака\b|\barroba\b)\s*[)\]]?\s*"
_DOT = r"(?:\.|\s*[(\[]?\s*(?:\bdot\b|\bточка\b|\bponto\b)\s*[)\]]?\s*)"
_HANDLE = re.compile(
    rf"(?<![\w.+-])[\w.+-]{{1,64}}{_AT}[\w-]{{1,64}}(?:{_DOT}[\w-]{{2,64}}){{1,3}}|(?<![\w.@])@[a-z]\w{{4,31}}",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Personal:
    """`contacts` in normal form, `papers` as digits, `names` in lower case, `literal` ones as they were written."""

    contacts: frozenset[str] = frozenset()
    papers: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
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
        for said in (*map(re.escape, self.literal), *map(_in_any_case, self.names)):
            yield from (found.span() for found in re.finditer(said, text, re.IGNORECASE))


def personal_in(texts: Iterable[str]) -> Personal:
    """What customers say of themselves in these."""
    said = [_said_in(text) for text in texts]
    return Personal(
        contacts=frozenset[str]().union(*(one.contacts for one in said)),
        papers=frozenset[str]().union(*(one.papers for one in said)),
        names=frozenset[str]().union(*(one.names for one in said)),
        literal=frozenset[str]().union(*(one.literal for one in said)),
    )


@lru_cache(maxsize=_CACHED_TEXTS)
def _said_in(text: str) -> Personal:
    """A conversation is read anew with each of its questions."""
    has_digits = _DIGIT.search(text) is not None
    contacts = contacts_of(text) if has_digits or "@" in text else []
    patterns = (_HANDLE, _ADDRESS, _NUMBERED) if has_digits else (_HANDLE,)
    return Personal(
        contacts=frozenset(reading for contact in contacts for reading in contact.readings),
        papers=frozenset(map(_digits, _papers(text))) if has_digits else frozenset(),
        names=frozenset(_names(text)),
        literal=frozenset(found[0].strip() for pattern in patterns for found in pattern.finditer(text)),
    )


def _names(text: str) -> Iterator[str]:
    for introduction in _INTRODUCTION.finditer(text):
        if introduced := _AFTER_INTRODUCTION.match(text, introduction.end()):
            yield from _single(introduced[1])
    for introduced in _PERHAPS_INTRODUCED.finditer(text):
        yield from _single(introduced[1])


def _single(names: str) -> Iterator[str]:
    for name in names.lower().split():
        if name not in _GRAMMAR and len(name) > 1:
            yield name


def _papers(text: str) -> list[str]:
    return _PAPER.findall(_DATE.sub(" ", text))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _in_any_case(name: str) -> str:
    """A pattern: "Ивану", "Анной"."""
    if len(name) < LEAST_INFLECTED:
        return rf"\b{re.escape(name)}\b"
    stem = name[:-1] if name[-1] in "аяйь" else name
    return rf"\b{re.escape(stem)}[а-яё]{{0,3}}\b"
