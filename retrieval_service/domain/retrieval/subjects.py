"""Which documents are of the kind that a question names: by their names and groups first, then by their text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from retrieval_service.domain.documents.stock import stock_in
from retrieval_service.domain.indexing.lexical import stem_index
from retrieval_service.domain.retrieval.heads import called_so
from retrieval_service.text.comparison_words import BEHIND_HEAD
from retrieval_service.text.facts.prices import currency_code
from retrieval_service.text.words import words


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A document that states numbers, its stock or a price; `mentions` are the asked stems that its text has."""

    document_id: UUID
    chunk_id: UUID
    title: str
    section: str
    tags: tuple[str, ...]
    language: str
    figures: Mapping[str, Any]
    mentions: frozenset[int] = frozenset()

    @cached_property
    def numbers(self) -> Mapping[str, Decimal]:
        """Its metadata's numbers, exactly."""
        return {
            key: Decimal(str(value))
            for key, value in self.figures.items()
            if isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        }

    @property
    def currency(self) -> str:
        """An ISO 4217 code where it is known, or as it is written."""
        return currency_code(str(self.figures.get("currency") or ""))

    @property
    def price(self) -> str:
        """As it is written; "" where there is none, or it is a number."""
        written = self.figures.get("price")
        return written if isinstance(written, str) else ""

    @cached_property
    def in_stock(self) -> bool | None:
        """None where it is not stated."""
        stated = stock_in(self.figures)
        return stated[1] if stated else None

    @cached_property
    def names(self) -> frozenset[int]:
        """The stems of what it is called and filed under: a "case for a violin" is a case."""
        said = words(self.title)
        end = next((place for place, word in enumerate(said) if place and word in BEHIND_HEAD), len(said))
        return self._stems(said[:end]) | self.group

    @cached_property
    def group(self) -> frozenset[int]:
        """The stems of what it is filed under."""
        return self._stems(words(self.section))

    @cached_property
    def labels(self) -> frozenset[int]:
        """The stems of its tags, which are often of what it goes with."""
        return self._stems(words(" ".join(self.tags)))

    def _stems(self, said: Iterable[str]) -> frozenset[int]:
        return frozenset(stem_index(word, self.language) for word in said)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Things of one kind; `is_sure` where each of them is called so, every word of it."""

    things: Sequence[Thing]
    is_sure: bool


def kind_of(subject: Sequence[str], things: Sequence[Thing]) -> Kind:
    """All of them for no subject; none where nothing is called or described so.

    Where a group is called so, what lies in another one is something else: a "bike bell" among bells.
    """
    if not subject:
        return Kind(things=things, is_sure=True)
    if called := [one for one in things if _is_called(one, subject)]:
        if grouped := [one for one in called if _shares(one, subject) & one.group]:
            called = [*grouped, *(one for one in called if not one.section)]
        called = _by_kind(called, subject)
        sections = {one.section for one in called} - {""}
        described = [one for one in things if one.section in sections and _has(one, subject)]
        by_id = {one.document_id: one for one in (*called, *described)}
        return Kind(things=list(by_id.values()), is_sure=True)
    for has in (_is_labelled, _has):
        if described := [one for one in things if has(one, subject)]:
            return Kind(things=described, is_sure=False)
    return Kind(things=[], is_sure=False)


def _by_kind(called: Sequence[Thing], subject: Sequence[str]) -> list[Thing]:
    """Without what is only called after the kind, of things that no group tells apart."""
    loose = {(one.title, one.language) for one in called if not one.section}
    kept = called_so(loose, subject)
    return [one for one in called if one.section or (one.title, one.language) in kept]


def is_named(thing: Thing, subject: Sequence[str]) -> bool:
    """Whether any of the words is a part of what it is called and filed under."""
    return bool(_shares(thing, subject) & thing.names)


def _is_called(thing: Thing, subject: Sequence[str]) -> bool:
    """Of "dry red wine" half may stand in its text."""
    return 2 * len(_shares(thing, subject) & thing.names) >= len(subject) and _has(thing, subject)


def _is_labelled(thing: Thing, subject: Sequence[str]) -> bool:
    return bool(_shares(thing, subject) & thing.labels) and _has(thing, subject)


def _has(thing: Thing, subject: Sequence[str]) -> bool:
    return _shares(thing, subject) <= thing.names | thing.labels | thing.mentions


def _shares(thing: Thing, subject: Sequence[str]) -> frozenset[int]:
    """The subject as the language of the thing stems it."""
    return frozenset(_index(word, thing) for word in subject)


def _index(word: str, thing: Thing) -> int:
    return stem_index(word, thing.language)
