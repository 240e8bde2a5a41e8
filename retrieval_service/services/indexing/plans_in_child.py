"""Plans for large documents, made in another process and handed over in parts that nobody has to wait for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar
from uuid import UUID

from retrieval_service.domain.indexing.chunking import ChunkPolicy
from retrieval_service.services.indexing.plans import Plan, Target, matched, plan_of
from retrieval_service.stores.index.chunks import KeptChunk, NewChunk, Source, StoredChunk

Item = TypeVar("Item")
PASSAGES_IN_A_PART = 64


class Elsewhere(Protocol):
    """Has generators run where they disturb nobody; they and what they yield can be pickled."""

    def stream(self, work: Callable[..., Iterable[Item]], *arguments: Any) -> AsyncGenerator[Item, None]: ...


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a plan is made from; more than `most_passages` are not worth a plan."""

    source: Source
    stored: Sequence[StoredChunk]
    policy: Callable[[], ChunkPolicy]
    targets: Sequence[Target]
    by_document: bool
    most_passages: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """Of a plan: the first has all but passages, or how many there would be too many; others have some of them."""

    too_many: int = 0
    frame: Plan | None = None
    added: Sequence[NewChunk] = ()
    kept: Sequence[KeptChunk] = ()
    space: int = 0
    chunk_ids: Sequence[UUID] = ()
    texts: Sequence[str] = ()


class TooManyPassages(Exception):
    """The document would be cut into more passages than are allowed."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


def parts(asked: Asked) -> Iterator[Part]:
    """Runs elsewhere."""
    found = matched(asked.source, asked.stored, asked.policy())
    if len(found.matches) > asked.most_passages:
        yield Part(too_many=len(found.matches))
        return
    plan = plan_of(found, asked.stored, asked.targets, by_document=asked.by_document)
    yield Part(frame=framed(plan))
    for added in pieces(plan.change.added):
        yield Part(added=added)
    for kept in pieces(plan.change.kept):
        yield Part(kept=kept)
    for space, wanted in enumerate(plan.wanted):
        for ids, texts in zip(pieces(wanted.chunk_ids), pieces(wanted.texts), strict=True):
            yield Part(space=space, chunk_ids=ids, texts=texts)


def framed(plan: Plan) -> Plan:
    """The plan without what grows with its document."""
    wanted = (replace(one, chunk_ids=(), texts=()) for one in plan.wanted)
    return replace(plan, change=replace(plan.change, added=(), kept=()), wanted=tuple(wanted))


def pieces(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + PASSAGES_IN_A_PART] for start in range(0, len(items), PASSAGES_IN_A_PART))


@dataclass(kw_only=True)
class Assembly:
    """The parts that have come."""

    frame: Plan
    added: list[NewChunk] = field(default_factory=list)
    kept: list[KeptChunk] = field(default_factory=list)
    chunk_ids: dict[int, list[UUID]] = field(default_factory=dict)
    texts: dict[int, list[str]] = field(default_factory=dict)

    def add(self, part: Part) -> None:
        self.added.extend(part.added)
        self.kept.extend(part.kept)
        self.chunk_ids.setdefault(part.space, []).extend(part.chunk_ids)
        self.texts.setdefault(part.space, []).extend(part.texts)

    def plan(self) -> Plan:
        wanted = tuple(
            replace(one, chunk_ids=tuple(self.chunk_ids[space]), texts=tuple(self.texts[space]))
            for space, one in enumerate(self.frame.wanted)
        )
        change = replace(self.frame.change, added=self.added, kept=self.kept)
        return replace(self.frame, change=change, wanted=wanted)


async def plan_elsewhere(elsewhere: Elsewhere, asked: Asked) -> Plan:
    """Raises `TooManyPassages`, and what `elsewhere` raises."""
    assembly: Assembly | None = None
    async with aclosing(elsewhere.stream(parts, asked)) as coming:
        async for part in coming:
            if part.too_many:
                raise TooManyPassages(part.too_many)
            assembly = assembly or Assembly(frame=whole(part.frame))
            assembly.add(part)
    return whole(assembly).plan()


def whole(given: Item | None) -> Item:
    if given is None:
        raise RuntimeError("a plan came without its beginning")
    return given
