"""What has to change for a document's index to be that of its latest version; decided without touching anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from retrieval_service.domain.indexing.chunking import Chunk, ChunkPolicy, split
from retrieval_service.domain.indexing.hashing import chunk_hash, embedding_text
from retrieval_service.domain.indexing.index_jobs import Outcome, estimated_tokens
from retrieval_service.domain.indexing.lexical import indexed_text, passage_terms
from retrieval_service.domain.indexing.spaces import Space
from retrieval_service.stores.index.chunks import Change, KeptChunk, NewChunk, Place, Source, StoredChunk
from retrieval_service.text import headings, languages
from retrieval_service.text.html.reader import html_to_text


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Texts to embed in one space, for the chunks with these ids, in order.

    `pooled_id` is the chunk that gets the mean of all these vectors; None when each chunk gets its own.
    `outdated_ids` are chunks whose vectors are to be removed.
    """

    space_id: int
    chunk_ids: tuple[UUID, ...]
    texts: tuple[str, ...]
    pooled_id: UUID | None = None
    outdated_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Target:
    """A space that the document's chunks need vectors in, and the stored chunks that have theirs."""

    space_id: int
    space: Space
    held: AbstractSet[UUID] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A change and what is to be embedded for it.

    `saved_tokens` is what embedding the unchanged chunks would have cost, estimated.
    """

    change: Change
    wanted: tuple[Wanted, ...] = ()
    unchanged_count: int = 0
    saved_tokens: int = 0
    is_gone: bool = False

    @property
    def text_count(self) -> int:
        return sum(len(one.texts) for one in self.wanted)

    @property
    def outcome(self) -> Outcome:
        if self.is_gone:
            return Outcome.REMOVED
        changes = self.change.added or self.change.removed or self.text_count
        return Outcome.INDEXED if changes else Outcome.SKIPPED


def plan(
    source: Source,
    stored: Sequence[StoredChunk],
    policy: ChunkPolicy,
    targets: Sequence[Target],
    *,
    by_document: bool = False,
) -> Plan:
    """What changes: chunks with a known hash keep their ids, each stored one at most once.

    Slow for long documents: call it in a thread.
    """
    return plan_of(matched(source, stored, policy), stored, targets, by_document=by_document)


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A document's passages beside those in the index; `leftovers` are stored ones that none equals."""

    source: Source
    language: str
    matches: Sequence[Match]
    leftovers: Sequence[UUID]


def matched(source: Source, stored: Sequence[StoredChunk], policy: ChunkPolicy) -> Matched:
    content = html_to_text(source.content) if source.content_type == "text/html" else source.content
    language = source.language or languages.detect_language(content)
    reusable = by_hash(stored)
    matches = [
        match(chunk, source.title, language, reusable)
        for chunk in placed(split(content, source.content_type, policy, source.title), source.ancestors)
    ]
    leftovers = [old.id for left in reusable.values() for old in left]
    return Matched(source=source, language=language, matches=matches, leftovers=leftovers)


def plan_of(
    found: Matched, stored: Sequence[StoredChunk], targets: Sequence[Target], *, by_document: bool
) -> Plan:
    source, matches = found.source, found.matches
    missing = pooled if by_document else apart
    wanted = [one for one in (missing(matches, stored, target) for target in targets) if one.texts]
    wanted_ids = {chunk_id for one in wanted for chunk_id in one.chunk_ids}
    unchanged = [one for one in matches if one.old and one.id not in wanted_ids]
    change = Change(
        document_id=source.id,
        version=source.version,
        added=[new_chunk(one, source.title, found.language) for one in matches if one.old is None],
        kept=[KeptChunk(id=one.id, place=place(one.chunk)) for one in matches if one.old],
        removed=found.leftovers,
    )
    return Plan(
        change=change,
        wanted=tuple(wanted),
        unchanged_count=len(unchanged),
        saved_tokens=sum(saved(one, targets) for one in unchanged),
    )


def apart(matches: Sequence[Match], stored: Sequence[StoredChunk], target: Target) -> Wanted:
    """The chunks that the space's model can read and that have no vector of their own there."""
    held = set[UUID]() if is_pooled(stored, target) else target.held
    return wanted_of([one for one in matches if one.id not in held], target)


def pooled(matches: Sequence[Match], stored: Sequence[StoredChunk], target: Target) -> Wanted:
    """All that the model can read, for the first chunk; nothing when that has been done for these chunks."""
    same = [one.id for one in matches] == [chunk.id for chunk in stored]
    if not matches or (same and target.held & {one.id for one in matches} == {matches[0].id}):
        return wanted_of([], target)
    outdated = tuple(one.id for one in matches[1:] if one.id in target.held)
    return replace(wanted_of(matches, target), pooled_id=matches[0].id, outdated_ids=outdated)


def is_pooled(stored: Sequence[StoredChunk], target: Target) -> bool:
    """Whether the stored document's only vector stands for more than the chunk it lies at."""
    first = {chunk.id for chunk in stored[:1]}
    others = (chunk for chunk in stored[1:] if readable(chunk.text, target.space))
    return any(others) and target.held & {chunk.id for chunk in stored} == first


def wanted_of(matches: Iterable[Match], target: Target) -> Wanted:
    """Those that the space's model can read."""
    legible = [one for one in matches if readable(one.text, target.space)]
    return Wanted(
        space_id=target.space_id,
        chunk_ids=tuple(one.id for one in legible),
        texts=tuple(one.text for one in legible),
    )


def saved(unchanged: Match, targets: Sequence[Target]) -> int:
    """Tokens that the chunk would have cost again, in all spaces together."""
    readers = sum(readable(unchanged.text, target.space) for target in targets)
    return readers * estimated_tokens(unchanged.text) if readers else 0


def placed(parts: Iterable[Chunk], ancestors: Sequence[str]) -> Iterator[Chunk]:
    """The chunks under the titles that stand above their document."""
    return (replace(part, heading=headings.below(ancestors, part.heading)) for part in parts)


def nothing_left(document_id: UUID, version: int, stored: Iterable[StoredChunk]) -> Plan:
    """The plan for a document that is deleted or gone."""
    change = Change(document_id=document_id, version=version, removed=[old.id for old in stored])
    return Plan(change=change, is_gone=True)


def by_hash(stored: Iterable[StoredChunk]) -> dict[bytes, list[StoredChunk]]:
    """Last first, so that `pop()` gives equal chunks back in the order they stand in."""
    grouped: defaultdict[bytes, list[StoredChunk]] = defaultdict(list)
    for chunk in sorted(stored, key=lambda old: -old.chunk_index):
        grouped[chunk.chunk_hash].append(chunk)
    return grouped


@dataclass(frozen=True, kw_only=True)
class Match:
    """A chunk of the new version and the stored one it equals, if any; `text` is what would be embedded."""

    id: UUID
    chunk: Chunk
    old: StoredChunk | None
    digest: bytes
    text: str


def match(chunk: Chunk, title: str, language: str, reusable: dict[bytes, list[StoredChunk]]) -> Match:
    """Takes the equal stored chunk out of `reusable`."""
    digest = chunk_hash(led(chunk), title, chunk.heading) + language.encode()
    old = reusable[digest].pop() if reusable.get(digest) else None
    text = embedding_text(title, chunk.heading, chunk.text)
    return Match(id=old.id if old else uuid4(), chunk=chunk, old=old, digest=digest, text=text)


def new_chunk(matched: Match, title: str, language: str) -> NewChunk:
    chunk = matched.chunk
    return NewChunk(
        id=matched.id,
        place=place(chunk),
        text=chunk.text,
        chunk_hash=matched.digest,
        language=language,
        terms=passage_terms(indexed_text(title, chunk.heading, led(chunk)), language),
    )


def led(chunk: Chunk) -> str:
    """The words that a passage is found by: those of what leads to it too."""
    return f"{chunk.lead}\n{chunk.text}" if chunk.lead else chunk.text


def place(chunk: Chunk) -> Place:
    return Place(index=chunk.index, heading=chunk.heading, start=chunk.start, end=chunk.end)


def readable(text: str, space: Space) -> bool:
    """Whether the space's model makes anything of the text's script; vectors of others would be noise."""
    return not space.scripts or languages.dominant_script(text) in space.scripts
