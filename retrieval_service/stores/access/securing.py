"""Brings roles, owners, policies and grants to what is declared, and says what only a person can mend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg import errors as faults
from psycopg.conninfo import conninfo_to_dict

from retrieval_service import errors
from retrieval_service.stores.access import access_repair, additions, logins, roles
from retrieval_service.stores.access.access_repair import Difference
from retrieval_service.stores.access.logins import Login, Powers
from retrieval_service.stores.access.roles import StoredRole
from retrieval_service.stores.failures import told_apart, unavailable_when_lost
from retrieval_service.stores.lock_waits import SHORT_WAITS, insisting, pauses

log = structlog.get_logger("kladez.securing")

# One process at a time changes the schema or its access; the number is arbitrary.
CHANGE_LOCK = 6_172_634
TRY_LOCK = "SELECT pg_try_advisory_lock(%(lock)s)"
UNLOCK = "SELECT pg_advisory_unlock(%(lock)s)"


@dataclass(frozen=True, kw_only=True)
class Access:
    """How a database's access compares with what is declared, and the logins that it is for.

    `settings` are those of the database, `logins` is what somebody changed about a login that works by its remark.
    """

    given: Login
    owner: Login
    service: Login
    settings: Sequence[Difference]
    roles: Sequence[Difference]
    logins: Sequence[Difference]
    tables: Sequence[Difference]

    @property
    def differences(self) -> list[Difference]:
        return [*self.settings, *self.roles, *self.logins, *self.tables]


async def ensure(dsn: str, admin_dsn: str | None = None) -> Access:
    """Mends what can be mended; raises `errors.Misconfigured` when something grave is left.

    `admin_dsn` is a superuser's or another's who may make roles; without it DATABASE_URL is used as far as it goes.
    Nothing is locked, and nobody waits, where all is as declared.
    """
    with unavailable_when_lost():
        async with _connected(admin_dsn or dsn) as connection:
            access = await look(connection, dsn)
            if any(one.statements for one in access.differences):
                async with changing(connection):
                    access = await _mended(connection, dsn)
    return _checked(access)


async def compared(dsn: str) -> Access:
    """As the role in the DSN sees it; changes nothing."""
    with unavailable_when_lost():
        async with _connected(dsn) as connection:
            return await look(connection, dsn)


async def require_harmless_settings(dsn: str) -> None:
    """Raises `errors.Misconfigured` for settings of the database under which even its revision is not found."""
    with unavailable_when_lost():
        async with _connected(dsn) as connection:
            harmful = await additions.setting_differences(connection)
    for one in harmful:
        statement = one.advice.as_string() if one.advice else ""
        raise errors.Misconfigured(f"{one}, with which the service finds no table. Run: {statement}")


async def make_groups(connection: AsyncConnection) -> None:
    """The roles that policies name; without them no policy can be restored."""
    await _mend(connection, list(roles.group_differences(await roles.stored(connection, roles.GROUPS))))


async def _mended(connection: AsyncConnection, dsn: str) -> Access:
    """Logins first: one that cannot be used must not own anything."""
    before = await look(connection, dsn)
    changes = [*before.roles, *before.logins]
    await _mend(connection, changes)
    made = {one.subject for one in changes if one.statements}
    for login in {before.owner.role: before.owner, before.service.role: before.service}.values():
        if login.role in made and login != before.given:
            await _try_login(connection, dsn, login, before.given)
    after = await look(connection, dsn)
    await _mend(connection, [*after.logins, *after.tables])
    return await look(connection, dsn)


def _checked(access: Access) -> Access:
    for one in access.differences:
        if one.advice:
            log.warning("access_differs", difference=str(one), statement=one.advice.as_string())
    grave = [str(one) for one in access.differences if one.is_grave]
    if grave:
        raise errors.Misconfigured(
            f"The database is not as it has to be, and its role may not mend it: {'; '.join(grave[:5])}. "
            "Run `kladez migrate` as the owner of the tables, or with KLADEZ_ADMIN_DATABASE_URL."
        )
    return access


async def look(connection: AsyncConnection, dsn: str) -> Access:
    """Compares only. The connection is whoever's would mend; `dsn` is what the service is given."""
    own = await logins.powers(connection)
    given = _given(connection, own, dsn)
    mighty = (await roles.stored(connection, [given.role])).get(given.role)
    owner = logins.owner_of(given, is_superuser=bool(mighty and mighty.is_superuser))
    service = logins.service_of(owner)
    found = await roles.stored(connection, [*roles.GROUPS, given.role, owner.role, service.role])
    table_owner = owner.role if owner.role in found else given.role
    return Access(
        given=given,
        owner=owner,
        service=service,
        settings=await additions.setting_differences(connection),
        roles=[
            *roles.group_differences(found),
            *_logins(connection, own, given, owner, service, found),
            *await _memberships(connection, own, owner, service, found),
            *await roles.server_differences(connection, own),
        ],
        logins=await _hindrances(connection, own, dsn, _to_try(given, owner, service, own), found),
        tables=await _tables(connection, owner=table_owner, service=service.role),
    )


async def _memberships(
    connection: AsyncConnection, own: Powers, owner: Login, service: Login, found: Mapping[str, StoredRole]
) -> list[Difference]:
    """What another program's role of this name is a member of is not ours to judge."""
    existing = found.get(service.role)
    is_ours = existing is not None and logins.is_fingerprint(existing.remark)
    return await additions.membership_differences(
        connection, owner=owner.role, service=service.role if is_ours else "", mends=own.makes_roles
    )


async def _tables(connection: AsyncConnection, *, owner: str, service: str) -> list[Difference]:
    catalogue = await access_repair.catalogue(connection)
    ours = [table.name for table in catalogue.tables if access_repair.is_ours(table)]
    return [
        *access_repair.differences(catalogue, owner=owner),
        *await additions.schema_differences(connection, service=service),
        *await additions.table_differences(connection, ours),
    ]


def _given(connection: AsyncConnection, own: Powers, dsn: str) -> Login:
    """The login in DATABASE_URL. By its own connection the server says who it is; an administrator has to read."""
    told = conninfo_to_dict(dsn)
    if told.get("user", own.role) != connection.info.user:
        return Login(role=str(told.get("user", "")), password=str(told.get("password") or ""))
    return logins.login_of(connection, own)


def _logins(
    connection: AsyncConnection,
    own: Powers,
    given: Login,
    owner: Login,
    service: Login,
    found: Mapping[str, StoredRole],
) -> Iterator[Difference]:
    """Where nobody may make roles, the login that was given opens the doors itself."""
    if owner != given or _is_ours(given, own, found):
        yield from roles.login_differences(connection, owner, found.get(owner.role))
    yield from roles.owner_differences(owner.role, found.get(owner.role))
    existing = found.get(service.role)
    if own.makes_roles and given.password:
        yield from roles.login_differences(connection, service, existing)
        yield from roles.membership_differences(service.role, existing)
    elif existing is None or not roles.is_usable(existing, service):
        yield from roles.membership_differences(given.role, found.get(given.role))


def _to_try(given: Login, owner: Login, service: Login, own: Powers) -> list[Login]:
    """Who is connected needs no trial, and to a person's own login only an administrator has something to say."""
    if not given.password:
        return []
    found = {one.role: one for one in (owner, service) if one != given or own.makes_roles}
    return [login for login in found.values() if login.role != own.role]


async def _hindrances(
    connection: AsyncConnection,
    own: Powers,
    dsn: str,
    to_try: Sequence[Login],
    found: Mapping[str, StoredRole],
) -> list[Difference]:
    """A remark tells which password a login was given, and only logging in whether it still has it."""
    differences: list[Difference] = []
    for login in to_try:
        role = found.get(login.role)
        if role and roles.is_usable(role, login):
            opens = await _opens(dsn, login, is_limited=role.is_limited)
            differences += roles.hindrances(connection, login, role, opens=opens)
    if own.makes_roles:
        return differences
    return [replace(one, statements=()) for one in differences]


async def _opens(dsn: str, login: Login, *, is_limited: bool = False) -> bool:
    """Whether the login is let in. Where there is no room for anybody, nothing is said against it."""
    try:
        async with _connected(login.dsn(dsn)):
            return True
    except psycopg.OperationalError as error:
        # The server speaks of too many connections also where the login's own limit is reached.
        if told_apart(error).reason != errors.Unavailable.reason and not is_limited:
            return True
        log.warning("login_refused", role=login.role, reason=str(error).splitlines()[0])
        return False


def _is_ours(given: Login, own: Powers, found: Mapping[str, StoredRole]) -> bool:
    """Whether an administrator makes, or made, the login; somebody else's password is not ours to change."""
    if not (own.makes_roles and given.password):
        return False
    existing = found.get(given.role)
    return existing is None or logins.is_fingerprint(existing.remark)


async def _mend(connection: AsyncConnection, differences: Sequence[Difference]) -> None:
    due = [difference for difference in differences if difference.statements]
    for difference in due:
        await insisting(str(difference), lambda one=difference: _carry_out(connection, one))
    if due:
        log.info("access_mended", changes=len(due))


async def _carry_out(connection: AsyncConnection, difference: Difference) -> None:
    """What the role may not do, or another session did first, is left to whoever looks next."""
    try:
        async with connection.transaction():
            for statement in difference.statements:
                await connection.execute(statement)
    except (faults.InsufficientPrivilege, faults.UndefinedObject, faults.DuplicateObject) as error:
        log.warning("access_not_mended", difference=str(difference), reason=type(error).__name__)
    else:
        log.debug("access_mended", difference=str(difference))


async def _try_login(connection: AsyncConnection, dsn: str, login: Login, given: Login) -> None:
    """A login that the way to the server refuses, as some proxies do, must not be taken for one that works."""
    if await _opens(dsn, login):
        return
    try:
        await roles.drop(connection, login.role)
    except (faults.InsufficientPrivilege, faults.DependentObjectsStillExist) as error:
        log.warning("login_not_dropped", role=login.role, reason=type(error).__name__)
    else:
        existing = await roles.stored(connection, [given.role])
        await _mend(connection, [*roles.membership_differences(given.role, existing.get(given.role))])


@asynccontextmanager
async def changing(connection: AsyncConnection) -> AsyncIterator[None]:
    """Alone; asked for again and again, because a statement that waits would hold up who builds an index."""
    for pause in pauses():
        cursor = await connection.execute(TRY_LOCK, {"lock": CHANGE_LOCK})
        if await cursor.fetchone() == (True,):
            break
        await asyncio.sleep(pause)
    else:
        raise errors.DatabaseBusy("another process changes the schema and does not end")
    try:
        yield
    finally:
        await connection.execute(UNLOCK, {"lock": CHANGE_LOCK})


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(dsn, autocommit=True, options=SHORT_WAITS) as connection:
        yield connection
