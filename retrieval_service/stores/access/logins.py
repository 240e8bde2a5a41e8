"""Who logs in to Postgres: the service as a role that owns nothing, and the schema's owner for a door of its own.

Both logins are derived from the one in DATABASE_URL, so that every process with the same URL finds the same ones. Where
that one has no password none is derived: anybody could find it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import class_row

from retrieval_service.stores.failures import unavailable_when_lost

OWNER_PREFIX = "kladez_owner_"
SERVICE_PREFIX = "kladez_service_"
LONGEST_NAME = 63
MARK = "kladez "


@dataclass(frozen=True, kw_only=True)
class Login:
    """A role and its password, which is empty where Postgres asks for none."""

    role: str
    password: str = field(repr=False)

    def dsn(self, dsn: str) -> str:
        """The same database, as this role."""
        return make_conninfo(dsn, user=self.role, password=self.password)

    @property
    def fingerprint(self) -> str:
        """The role's remark: whether it has this password already. The password cannot be found from it."""
        return f"{MARK}{hashlib.sha256(self.password.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, kw_only=True)
class Powers:
    """What a role may do on its server."""

    role: str
    is_superuser: bool
    makes_roles: bool
    sees_every_row: bool


def is_fingerprint(remark: str | None) -> bool:
    """Whether the role that has it was made by us."""
    return bool(remark and remark.startswith(MARK))


def owner_of(login: Login, *, is_superuser: bool) -> Login:
    """Who owns the schema: the login itself, but beside a superuser a role of its own."""
    return _derived(login, OWNER_PREFIX + login.role) if is_superuser and login.password else login


def service_of(owner: Login) -> Login:
    """Who the pool of connections logs in as."""
    return _derived(owner, SERVICE_PREFIX + owner.role.removeprefix(OWNER_PREFIX))


def _derived(login: Login, name: str) -> Login:
    """Who learns the password of one login cannot find that of the login above it."""
    if len(name.encode()) > LONGEST_NAME:
        name = f"{name[:30]}_{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    digest = hmac.digest(login.password.encode(), f"kladez login {name}".encode(), "sha256")
    return Login(role=name, password=base64.urlsafe_b64encode(digest).decode().rstrip("="))


SELECT_POWERS = """
SELECT rolname AS role, rolsuper AS is_superuser,
    rolsuper OR rolcreaterole AS makes_roles, rolsuper OR rolbypassrls AS sees_every_row
FROM pg_roles WHERE rolname = session_user
"""


async def powers(connection: AsyncConnection) -> Powers:
    """Those of whoever logged in."""
    async with connection.cursor(row_factory=class_row(Powers)) as cursor:
        await cursor.execute(SELECT_POWERS)
        [row] = await cursor.fetchall()
        return row


# Without both memberships it could open no door.
SELECT_SERVICE = """
SELECT FROM pg_roles r
WHERE r.rolname = %(role)s AND r.rolcanlogin AND shobj_description(r.oid, 'pg_authid') = %(fingerprint)s
    AND pg_has_role(r.oid, to_regrole('kladez_tenant'), 'MEMBER')
    AND pg_has_role(r.oid, to_regrole('kladez_operator'), 'MEMBER')
"""
SELECT_OWNER = """
SELECT FROM pg_roles r
WHERE r.rolname = %(role)s AND r.rolcanlogin AND shobj_description(r.oid, 'pg_authid') = %(fingerprint)s
    AND EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('public.tenants') AND c.relowner = r.oid)
"""


@dataclass(frozen=True, kw_only=True)
class Doors:
    """The addresses by which a process reaches its database.

    `service` is the pool's. Where no login of its own could be made it is DATABASE_URL, and so may `owner` be.
    """

    service: str = field(repr=False)
    owner: str = field(repr=False)


async def doors(dsn: str) -> Doors:
    """The best logins there are. Raises `errors.Unavailable` when the database does not answer."""
    with unavailable_when_lost():
        async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
            own = await powers(connection)
            given = login_of(connection, own)
            owner = owner_of(given, is_superuser=own.is_superuser)
            service = service_of(owner)
            has_owner = owner != given and await _exists(connection, SELECT_OWNER, owner)
            has_service = bool(given.password) and await _exists(connection, SELECT_SERVICE, service)
    return Doors(service=service.dsn(dsn) if has_service else dsn, owner=owner.dsn(dsn) if has_owner else dsn)


def login_of(connection: AsyncConnection, own: Powers) -> Login:
    """The server knows the role's name; a proxy may want another one in the address."""
    return Login(role=own.role, password=connection.info.password)


async def _exists(connection: AsyncConnection, statement: LiteralString, login: Login) -> bool:
    cursor = await connection.execute(statement, {"role": login.role, "fingerprint": login.fingerprint})
    return await cursor.fetchone() is not None
