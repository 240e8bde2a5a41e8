"""Stores documents: checks each one, finds out its language, and tells what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.documents import documents as drafts_domain
from retrieval_service.domain.documents import front_matter
from retrieval_service.domain.documents.documents import MAX_CONTENT_BYTES, Draft
from retrieval_service.domain.documents.front_matter import FrontMatter
from retrieval_service.domain.documents.shop import parse_shop
from retrieval_service.domain.documents.shop_rows import RowError
from retrieval_service.domain.documents.stored import DocumentKey, Progress, StoredDocument
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.errors import Violation
from retrieval_service.services.documents.parsing_turns import ReadingRoom
from retrieval_service.stores.database import Database, TenantScope
from retrieval_service.stores.documents import documents, imports
from retrieval_service.stores.tenants import tenants
from retrieval_service.text import languages
from retrieval_service.text.html.reader import html_to_text
from retrieval_service.text.invisible import is_blank

MAX_BATCH = 500
LETTERS_OF_A_TURN = 50_000
ETAG = "etag"


class Outcome(StrEnum):
    """What storing a document did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True)
class Item:
    """What became of one document: an outcome, or the violations that kept it out."""

    draft: Draft
    outcome: Outcome | None
    violations: Sequence[Violation] = ()


@dataclass(frozen=True, kw_only=True)
class ShopReport:
    """What became of a shop."""

    progress: Progress
    errors: Sequence[RowError]
    metadata_fields: Sequence[str]


class Importer:
    """Documents are stored at once; the triggers of the database queue them for the index."""

    def __init__(self, database: Database, *, most_bytes: int = MAX_CONTENT_BYTES) -> None:
        """Contents that are longer are refused."""
        self._database = database
        self._most_bytes = most_bytes
        self._reading_room = ReadingRoom()

    async def upsert(self, tenant_id: UUID, draft: Draft) -> tuple[StoredDocument, Outcome]:
        """Raises `Invalid` for a draft that cannot be stored."""
        [item] = await self._prepared(tenant_id, [draft])
        if item.violations:
            raise errors.Invalid([under("document", one) for one in item.violations])
        async with self._database.tenant(tenant_id) as scope:
            [stored] = await store(scope, [item])
            document = await documents.get(scope, draft.key)
        if any(one.field == ETAG for one in stored.violations):
            raise errors.Conflict
        if stored.violations:
            raise errors.Invalid([under("document", one) for one in stored.violations])
        if document is None or stored.outcome is None:
            raise errors.Conflict("the document was deleted at the same moment")
        return document, stored.outcome

    async def upsert_batch(self, tenant_id: UUID, drafts: Sequence[Draft]) -> list[Item]:
        """One item for each draft, in order; the good ones are stored together."""
        if not 1 <= len(drafts) <= MAX_BATCH:
            raise errors.Invalid([Violation("documents", f"must be 1-{MAX_BATCH}, are {len(drafts):,}")])
        prepared = await self._prepared(tenant_id, drafts)
        async with self._database.tenant(tenant_id) as scope:
            return await store(scope, prepared)

    async def import_begun(self, tenant_id: UUID, import_id: UUID) -> Progress:
        """Where the import stands; a new one stands at 0."""
        async with self._database.tenant(tenant_id) as scope:
            return await imports.begin(scope, import_id)

    async def import_chunk(
        self, tenant_id: UUID, import_id: UUID, first_sequence: int, drafts: Sequence[Draft]
    ) -> tuple[Progress, list[tuple[int, Item]]]:
        """Stores what was not stored before, together with the new place to resume; items by sequence."""
        prepared = await self._prepared(tenant_id, drafts)
        async with self._database.tenant(tenant_id) as scope:
            before = await imports.begin(scope, import_id)
            if first_sequence > before.next_sequence:
                expected = f"must be at most {before.next_sequence}: documents before it are missing"
                raise errors.Invalid([Violation("chunk.first_sequence", expected)])
            fresh = prepared[before.next_sequence - first_sequence :]
            items = await store_of_import(scope, import_id, fresh)
            after = counted(before, items)
            numbered = list(enumerate(items, start=before.next_sequence))
            refused = {sequence: item.violations for sequence, item in numbered if item.violations}
            await imports.record_problems(scope, import_id, refused)
            await imports.save(scope, import_id, after)
        return after, numbered

    async def refused_before(
        self, tenant_id: UUID, import_id: UUID
    ) -> AsyncIterator[list[tuple[int, list[Violation]]]]:
        """In batches, what an import that goes on was told on earlier connections."""
        after = -1
        while True:
            async with self._database.tenant(tenant_id) as scope:
                page = await imports.problems(scope, import_id, after=after, limit=MAX_BATCH)
            if not page:
                return
            yield page
            after = page[-1][0]

    async def import_shop(self, tenant_id: UUID, shop_json: bytes, language: str) -> ShopReport:
        """Stores every good row; bad ones are reported with list, index, line and field."""
        async with self._database.tenant(tenant_id) as scope:
            own = await own_languages(scope)
        parse = partial(parse_shop, shop_json, language=language, detect=partial(language_of_text, own=own))
        [shop] = await self._reading_room.run(tenant_id, [parse])
        progress = Progress(failed_count=len({(row.list, row.index) for row in shop.errors}))
        rejected: list[RowError] = []
        for start in range(0, len(shop.drafts), MAX_BATCH):
            rows = shop.drafts[start : start + MAX_BATCH]
            items = await self.upsert_batch(tenant_id, [row.draft for row in rows])
            progress = counted(progress, items)
            rejected += [
                RowError(
                    list=row.list,
                    index=row.index,
                    line=row.line,
                    field=one.field,
                    description=one.description,
                )
                for row, item in zip(rows, items, strict=True)
                for one in item.violations
            ]
        return ShopReport(
            progress=progress, errors=(*shop.errors, *rejected), metadata_fields=shop.metadata_fields
        )

    async def _prepared(self, tenant_id: UUID, drafts: Sequence[Draft]) -> list[Item]:
        own = await self._own(tenant_id, drafts)
        pieces = [partial(prepare, some, own, self._most_bytes) for some in in_pieces(drafts)]
        prepared = [item for piece in await self._reading_room.run(tenant_id, pieces) for item in piece]
        return once_each(prepared)

    async def _own(self, tenant_id: UUID, drafts: Sequence[Draft]) -> Sequence[str]:
        """Not asked for where every draft says its language."""
        if all(draft.language for draft in drafts):
            return ()
        async with self._database.tenant(tenant_id) as scope:
            return await own_languages(scope)


async def own_languages(scope: TenantScope) -> Sequence[str]:
    """Those that the tenant's customers are answered in, the likeliest first."""
    tenant = await tenants.get(scope.connection, scope.tenant_id)
    return TenantSettings.from_json(tenant.settings if tenant else {}).languages


def prepare(drafts: Sequence[Draft], own: Sequence[str], most_bytes: int = MAX_CONTENT_BYTES) -> list[Item]:
    """Checks drafts and fills in their languages, of which `own` are the tenant's.

    Slow for long ones, so it is called in a thread.
    """
    items: list[Item] = []
    for draft in drafts:
        violations = drafts_domain.check(draft, most_bytes=most_bytes)
        text = draft if violations else as_text(draft)
        if not violations and is_blank(text.content):
            violations.append(Violation("content", "has no text besides HTML or front matter"))
        ready = text if violations or text.language else replace(text, language=language_of(text, own))
        items.append(Item(draft=ready, outcome=None, violations=tuple(violations)))
    return items


def once_each(items: Sequence[Item]) -> list[Item]:
    """A document that stands there again is refused."""
    seen: set[tuple[str, str]] = set()
    checked: list[Item] = []
    for item in items:
        key = (item.draft.source_type, item.draft.external_id)
        twice = [Violation("external_id", "stands twice among these documents")] if key in seen else []
        seen.add(key)
        checked.append(replace(item, violations=(*item.violations, *twice)) if twice else item)
    return checked


def in_pieces(drafts: Sequence[Draft]) -> Iterator[Sequence[Draft]]:
    """So few at a time that nobody waits long for his turn."""
    first, letters = 0, 0
    for place, draft in enumerate(drafts):
        letters += len(draft.content)
        if letters >= LETTERS_OF_A_TURN:
            yield drafts[first : place + 1]
            first, letters = place + 1, 0
    if first < len(drafts):
        yield drafts[first:]


def as_text(draft: Draft) -> Draft:
    """Text alone, once and for all, so that offsets in the index are offsets in the content.

    Pages of HTML have front matter too where a generator of sites reads them.
    """
    found = front_matter.read(draft.content)
    ready = described(draft, found) if found else draft
    if ready.content_type == "text/html":
        return replace(ready, content=html_to_text(ready.content), content_type="text/plain")
    return ready


def described(draft: Draft, found: FrontMatter) -> Draft:
    """What the sender says of a document counts, then what its front matter says."""
    description = {"description": found.description} if found.description else {}
    return replace(
        draft,
        content=draft.content[found.end :].lstrip(),
        title=draft.title or found.title,
        tags=draft.tags or found.tags,
        url=draft.url or found.url,
        metadata={**description, **draft.metadata},
    )


def language_of(draft: Draft, own: Sequence[str]) -> str:
    return language_of_text(f"{draft.title}\n{draft.content}", own)


def language_of_text(text: str, own: Sequence[str]) -> str:
    """Where the text does not tell and the tenant has one language, that one."""
    return languages.language_among(text, own) or (own[0] if len(own) == 1 else "")


async def store(scope: TenantScope, items: Sequence[Item]) -> list[Item]:
    """The same items with their outcomes; refused ones are passed through."""
    return await write(scope, await admitted(scope, items))


async def store_of_import(scope: TenantScope, import_id: UUID, items: Sequence[Item]) -> list[Item]:
    """As `store`, and the import remembers what it did, so that it can be undone."""
    allowed = await admitted(scope, items)
    await imports.remember(scope, import_id, good_drafts(allowed))
    stored = await write(scope, allowed)
    changed = [item.draft.key for item in stored if item.outcome in (Outcome.CREATED, Outcome.UPDATED)]
    await imports.note(scope, import_id, changed)
    return stored


async def admitted(scope: TenantScope, items: Sequence[Item]) -> list[Item]:
    """Refuses what does not fit to what is stored; locks come in the same order everywhere: the tree, then rows."""
    if parents_of(items):
        await documents.lock_tree(scope)
    return await without_orphans(scope, await as_seen(scope, items))


async def as_seen(scope: TenantScope, items: Sequence[Item]) -> list[Item]:
    """Refuses documents of which another state, or another document, is stored than their senders say."""
    seen = [
        item.draft for item in items if not item.violations and (item.draft.document_id or item.draft.etag)
    ]
    if not seen:
        return list(items)
    states = {state.key: state for state in await documents.lock_states(scope, [one.key for one in seen])}
    return [
        item
        if item.violations
        else replace(item, violations=mismatches(item.draft, states.get(item.draft.key)))
        for item in items
    ]


def mismatches(draft: Draft, state: documents.State | None) -> list[Violation]:
    """What the sender has seen and is not so."""
    violations: list[Violation] = []
    if draft.document_id and (state is None or draft.document_id.lower() != str(state.id)):
        violations.append(
            Violation("document_id", "is not that of the document with this type and external id")
        )
    if draft.etag and (state is None or draft.etag != str(state.version)):
        violations.append(Violation(ETAG, "is not that of the stored document; read it again"))
    return violations


def parents_of(items: Sequence[Item]) -> set[DocumentKey]:
    return {item.draft.parent_key for item in items if not item.violations and item.draft.parent_key}


async def without_orphans(scope: TenantScope, items: Sequence[Item]) -> list[Item]:
    """Refuses documents whose parent neither is stored nor stands before them; the tree must be locked."""
    parents = parents_of(items)
    if not parents:
        return list(items)
    known = await documents.living(scope, parents)
    checked: list[Item] = []
    for item in items:
        if not item.violations and item.draft.parent_key not in {None, *known}:
            item = replace(item, violations=[Violation("parent_key", "there is no such document")])
        known |= set() if item.violations else {item.draft.key}
        checked.append(item)
    return checked


async def write(scope: TenantScope, items: Sequence[Item]) -> list[Item]:
    written: dict[DocumentKey, documents.Written] = {}
    for drafts in generations(good_drafts(items)):
        written |= {one.key: one for one in await documents.upsert(scope, drafts)}
    return [
        item if item.violations else replace(item, outcome=outcome(item.draft, written)) for item in items
    ]


def good_drafts(items: Iterable[Item]) -> list[Draft]:
    return [item.draft for item in items if not item.violations]


def generations(drafts: Iterable[Draft]) -> list[list[Draft]]:
    """Groups to be stored one after another: parents first, each of which stands before its children."""
    numbers: dict[DocumentKey, int] = {}
    grouped: defaultdict[int, list[Draft]] = defaultdict(list)
    for draft in drafts:
        numbers[draft.key] = numbers.get(draft.parent_key, -1) + 1 if draft.parent_key else 0
        grouped[numbers[draft.key]].append(draft)
    return [grouped[number] for number in sorted(grouped)]


def outcome(draft: Draft, written: Mapping[DocumentKey, documents.Written]) -> Outcome:
    one = written.get(draft.key)
    if one is None:
        return Outcome.UNCHANGED
    return Outcome.CREATED if one.created else Outcome.UPDATED


def counted(progress: Progress, items: Sequence[Item]) -> Progress:
    outcomes = [item.outcome for item in items]
    return Progress(
        next_sequence=progress.next_sequence + len(items),
        created_count=progress.created_count + outcomes.count(Outcome.CREATED),
        updated_count=progress.updated_count + outcomes.count(Outcome.UPDATED),
        unchanged_count=progress.unchanged_count + outcomes.count(Outcome.UNCHANGED),
        failed_count=progress.failed_count + outcomes.count(None),
    )


def under(path: str, violation: Violation) -> Violation:
    return Violation(f"{path}.{violation.field}", violation.description)
