"""Which embedding spaces a tenant's vectors are kept in, how far each is filled, and which one searches read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, scalar_row

from retrieval_service.domain.indexing.spaces import TenantSpace
from retrieval_service.domain.tenants.settings import DEFAULT_LANGUAGES
from retrieval_service.stores.database import TenantScope, only
from retrieval_service.text import exact_json


@dataclass(frozen=True, kw_only=True)
class Due:
    """A space of a tenant that has something to be done."""

    tenant_id: UUID
    space_id: int


SELECT_ACTIVE = "SELECT space_id FROM tenants WHERE id = %(tenant_id)s"


async def active(scope: TenantScope) -> int | None:
    """The space that searches of the tenant read."""
    cursor = await scope.connection.execute(SELECT_ACTIVE, {"tenant_id": scope.tenant_id})
    row = await cursor.fetchone()
    return row[0] if row else None


SELECT = """
SELECT space_id, state, is_automatic, is_stale, total_count, filled_count, failed_count, embedded_tokens,
    last_document_id, walk, error, sample_count, recall, agreement, verified_at, keep_until
FROM tenant_spaces WHERE tenant_id = %(tenant_id)s ORDER BY space_id
"""


async def of_tenant(scope: TenantScope) -> list[TenantSpace]:
    async with scope.connection.cursor(row_factory=class_row(TenantSpace)) as cursor:
        await cursor.execute(SELECT, {"tenant_id": scope.tenant_id})
        return await cursor.fetchall()


SELECT_GRANULARITY = """
SELECT settings ->> 'index_granularity' = 'document' FROM tenants WHERE id = %(tenant_id)s
"""


async def is_by_document(scope: TenantScope) -> bool:
    """Whether a vector of the tenant stands for a whole document."""
    cursor = await scope.connection.execute(SELECT_GRANULARITY, {"tenant_id": scope.tenant_id})
    row = await cursor.fetchone()
    return bool(row and row[0])


@dataclass(frozen=True, kw_only=True)
class Searched:
    """The space that searches of a tenant read, and whether a vector there stands for a whole document.

    `languages` are those that the tenant has set, the likeliest first.
    """

    space_id: int | None = None
    by_document: bool = False
    languages: tuple[str, ...] = DEFAULT_LANGUAGES

    @classmethod
    def from_row(cls, space_id: int | None, by_document: bool, languages: str | None) -> Searched:
        """As `SELECT_SEARCHED` gives it; the languages are JSON, which is read once and not with every row."""
        own = exact_json.loads_stored(languages) if languages else ()
        return cls(space_id=space_id, by_document=by_document, languages=tuple(own or DEFAULT_LANGUAGES))


SELECT_SEARCHED = """
SELECT space_id, settings ->> 'index_granularity' IS NOT DISTINCT FROM 'document', settings ->> 'languages'
FROM tenants WHERE id = %(tenant_id)s
"""


async def searched(scope: TenantScope) -> Searched:
    """A search that finds something asks along with it: `passages.look`."""
    cursor = await scope.connection.execute(SELECT_SEARCHED, {"tenant_id": scope.tenant_id})
    row = await cursor.fetchone()
    return Searched.from_row(*row) if row else Searched()


SELECT_MAINTAINED = """
SELECT space_id FROM tenant_spaces WHERE tenant_id = %(tenant_id)s AND state <> 'dropping'
ORDER BY state = 'active' DESC, space_id
"""

# Writers of chunks share it; whoever adds, flips or drops a space has it alone. The first number is arbitrary.
LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(6172637, hashtext(%(tenant_id)s::text))"
LOCK_ALONE = "SELECT pg_advisory_xact_lock(6172637, hashtext(%(tenant_id)s::text))"


async def maintained(scope: TenantScope) -> tuple[int, ...]:
    """The spaces in which every new chunk needs a vector, the active one first."""
    async with scope.connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(SELECT_MAINTAINED, {"tenant_id": scope.tenant_id})
        return tuple(await cursor.fetchall())


async def hold(scope: TenantScope) -> tuple[int, ...]:
    """The maintained spaces, which stay the same until the transaction ends."""
    async with scope.connection.cursor(row_factory=scalar_row) as cursor:
        async with (
            scope.connection.pipeline()
        ):  # two statements for one wait; the second begins when it is held
            await scope.connection.execute(LOCK_SHARED, {"tenant_id": scope.tenant_id})
            await cursor.execute(SELECT_MAINTAINED, {"tenant_id": scope.tenant_id})
        return tuple(await cursor.fetchall())


async def lock(connection: AsyncConnection, tenant_id: UUID) -> None:
    """Waits for the writers of the tenant's chunks; others wait until the transaction ends."""
    await connection.execute(LOCK_ALONE, {"tenant_id": tenant_id})


MARK_STALE = """
UPDATE tenant_spaces SET is_stale = true, walk = walk + 1,
    last_document_id = '00000000-0000-0000-0000-000000000000'
WHERE tenant_id = %(tenant_id)s AND space_id = ANY(%(space_ids)s)
"""


async def mark_stale(scope: TenantScope, space_ids: Sequence[int]) -> None:
    """Chunks were written that have no vector in these spaces: a new walk begins."""
    parameters = {"tenant_id": scope.tenant_id, "space_ids": list(space_ids)}
    await scope.connection.execute(MARK_STALE, parameters)


SELECT_ACTIVE_SPACES = "SELECT id AS tenant_id, coalesce(space_id, 0) AS space_id FROM tenants"


async def active_of_all(operator: AsyncConnection) -> list[Due]:
    """Every tenant with its active space, 0 for none."""
    async with operator.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(SELECT_ACTIVE_SPACES)
        return await cursor.fetchall()


SELECT_TENANTS = """
SELECT tenant_id FROM tenant_spaces
WHERE space_id = %(space_id)s AND state IN ('ready', 'active', 'kept') AND tenant_id > %(after)s
ORDER BY tenant_id LIMIT %(limit)s
"""


async def tenants_in(operator: AsyncConnection, space_id: int, *, after: UUID, limit: int) -> list[UUID]:
    """Tenants that are, may be or may again be searched in the space, by id."""
    async with operator.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(SELECT_TENANTS, {"space_id": space_id, "after": after, "limit": limit})
        return await cursor.fetchall()


# A space that was kept goes on where it stood: the walk passes over what has its vector.
START = """
INSERT INTO tenant_spaces AS s (tenant_id, space_id, state, is_automatic, total_count)
VALUES (%(tenant_id)s, %(space_id)s, 'filling', %(is_automatic)s, %(total)s)
ON CONFLICT (tenant_id, space_id) DO UPDATE SET
    state = 'filling', is_automatic = excluded.is_automatic, total_count = excluded.total_count,
    is_stale = false, walk = s.walk + 1, filled_count = 0, failed_count = 0, error = '', keep_until = NULL,
    recall = NULL, agreement = NULL, verified_at = NULL, sample_count = 0, next_step_at = now(),
    last_document_id = '00000000-0000-0000-0000-000000000000'
WHERE s.state NOT IN ('active', 'dropping')
"""


async def start(
    operator: AsyncConnection, tenant_id: UUID, space_id: int, *, total: int, is_automatic: bool
) -> None:
    """From now on the space is maintained, and filled; whoever calls it has the lock."""
    parameters = {
        "tenant_id": tenant_id,
        "space_id": space_id,
        "total": total,
        "is_automatic": is_automatic,
    }
    await operator.execute(START, parameters)


KEEP = """
UPDATE tenant_spaces SET state = 'kept', keep_until = now() + make_interval(days => %(keep_days)s)
WHERE tenant_id = %(tenant_id)s AND state = 'active' AND space_id <> %(space_id)s
"""
# What is not filled yet goes on being filled.
ACTIVATE = """
INSERT INTO tenant_spaces AS s (tenant_id, space_id, state, is_stale)
VALUES (%(tenant_id)s, %(space_id)s, 'active', true)
ON CONFLICT (tenant_id, space_id) DO UPDATE SET state = 'active', is_automatic = false, keep_until = NULL,
    is_stale = s.is_stale OR s.state = 'filling'
"""
SELECT_STATE = """
SELECT state FROM tenant_spaces WHERE tenant_id = %(tenant_id)s AND space_id = %(space_id)s
"""
NAME_ACTIVE = "UPDATE tenants SET space_id = %(space_id)s WHERE id = %(tenant_id)s"


async def flip(operator: AsyncConnection, tenant_id: UUID, space_id: int, *, keep_days: int) -> bool:
    """Searches that begin after the commit read this space; False, with nothing done, for one being dropped.

    Whoever calls it has the lock.
    """
    parameters = {"tenant_id": tenant_id, "space_id": space_id, "keep_days": keep_days}
    cursor = await operator.execute(SELECT_STATE, parameters)
    if await cursor.fetchone() == ("dropping",):
        return False
    for statement in (KEEP, ACTIVATE, NAME_ACTIVE):
        await operator.execute(statement, parameters)
    return True


# The walk goes on from here even when the service dies: nothing before it is embedded a second time.
SELECT_DUE = """
SELECT tenant_id, space_id FROM tenant_spaces
WHERE (state = 'filling' OR (is_stale AND state <> 'dropping')) AND next_step_at <= now()
    AND space_id = ANY(%(space_ids)s)
ORDER BY next_step_at LIMIT %(limit)s
"""


async def due(operator: AsyncConnection, space_ids: Sequence[int], *, limit: int) -> list[Due]:
    """Of these spaces, those that lack vectors; the one that waited longest first."""
    async with operator.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(SELECT_DUE, {"space_ids": list(space_ids), "limit": limit})
        return await cursor.fetchall()


# Whose session the locks are of.
Session = AsyncConnection

# Free again when the connection ends, however it ends.
LOCK_FILLING = "SELECT pg_try_advisory_lock(hashtextextended(%(name)s, 6172638))"
UNLOCK_FILLING = "SELECT pg_advisory_unlock(hashtextextended(%(name)s, 6172638))"


async def lock_filling(owner: AsyncConnection, due: Due) -> bool:
    """Whether this connection alone may now fill the space."""
    cursor = await owner.execute(LOCK_FILLING, {"name": f"{due.tenant_id} {due.space_id}"})
    return only(await cursor.fetchone())[0]


async def unlock_filling(owner: AsyncConnection, due: Due) -> None:
    await owner.execute(UNLOCK_FILLING, {"name": f"{due.tenant_id} {due.space_id}"})


MOVE = """
UPDATE tenant_spaces SET last_document_id = %(last_document_id)s, next_step_at = now(), error = '',
    filled_count = least(total_count, filled_count + %(filled)s), failed_count = failed_count + %(failed)s,
    embedded_tokens = embedded_tokens + %(tokens)s
WHERE tenant_id = %(tenant_id)s AND space_id = %(space_id)s AND walk = %(walk)s
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """How far one step of a walk came, and what it did."""

    walk: int
    last_document_id: UUID
    filled: int
    failed: int
    tokens: int


async def move(scope: TenantScope, space_id: int, step: Step) -> None:
    """The walk is past the document, unless a new walk has begun meanwhile."""
    parameters = {"tenant_id": scope.tenant_id, "space_id": space_id, **asdict(step)}
    await scope.connection.execute(MOVE, parameters)


END_WALK = """
UPDATE tenant_spaces SET is_stale = false, filled_count = total_count, error = '',
    state = CASE WHEN state = 'filling' THEN 'ready' ELSE state END
WHERE tenant_id = %(tenant_id)s AND space_id = %(space_id)s AND walk = %(walk)s
"""


async def end_walk(scope: TenantScope, space_id: int, walk: int) -> None:
    """The space is complete, unless a new walk has begun meanwhile."""
    parameters = {"tenant_id": scope.tenant_id, "space_id": space_id, "walk": walk}
    await scope.connection.execute(END_WALK, parameters)


POSTPONE = """
UPDATE tenant_spaces SET next_step_at = now() + make_interval(secs => %(seconds)s), error = %(error)s
WHERE tenant_id = %(tenant_id)s AND space_id = %(space_id)s
"""


async def postpone(scope: TenantScope, space_id: int, *, seconds: float, error: str) -> None:
    parameters = {
        "tenant_id": scope.tenant_id,
        "space_id": space_id,
        "seconds": seconds,
        "error": error,
    }
    await scope.connection.execute(POSTPONE, parameters)


RECORD_TRIAL = """
UPDATE tenant_spaces
SET sample_count = %(sample_count)s, recall = %(recall)s, agreement = %(agreement)s, verified_at = now()
WHERE tenant_id = %(tenant_id)s AND space_id = %(space_id)s
"""


async def record_trial(
    scope: TenantScope, space_id: int, *, sample_count: int, recall: float, agreement: float | None
) -> None:
    parameters = {
        "tenant_id": scope.tenant_id,
        "space_id": space_id,
        "sample_count": sample_count,
        "recall": recall,
        "agreement": agreement,
    }
    await scope.connection.execute(RECORD_TRIAL, parameters)


MARK_DROPPING = """
UPDATE tenant_spaces SET state = 'dropping', is_stale = false
WHERE tenant_id = %(tenant_id)s AND space_id = %(space_id)s AND state <> 'active'
"""


async def mark_dropping(operator: AsyncConnection, tenant_id: UUID, space_id: int) -> bool:
    """The space is maintained no more; False when it is active. Whoever calls it has the lock."""
    cursor = await operator.execute(MARK_DROPPING, {"tenant_id": tenant_id, "space_id": space_id})
    return cursor.rowcount > 0


SELECT_OUTLIVED = """
SELECT tenant_id, space_id FROM tenant_spaces
WHERE state = 'dropping' OR (state = 'kept' AND keep_until < now())
"""


async def outlived(operator: AsyncConnection) -> list[Due]:
    """Spaces that were kept long enough, or whose dropping a crash left half-done."""
    async with operator.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(SELECT_OUTLIVED)
        return await cursor.fetchall()


FORGET = """
DELETE FROM tenant_spaces WHERE tenant_id = %(tenant_id)s AND space_id = %(space_id)s AND state = 'dropping'
"""


async def forget(scope: TenantScope, space_id: int) -> None:
    await scope.connection.execute(FORGET, {"tenant_id": scope.tenant_id, "space_id": space_id})
