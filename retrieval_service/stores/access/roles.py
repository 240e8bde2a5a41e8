"""The roles that the doors need, as they are and as they have to be; roles belong to the whole server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg import AsyncConnection, sql
from psycopg.rows import class_row

from retrieval_service.stores.access.access_repair import Difference
from retrieval_service.stores.access.declared_access import OPERATOR, TENANT
from retrieval_service.stores.access.logins import Login, Powers

GROUPS = (TENANT, OPERATOR)


@dataclass(frozen=True, kw_only=True)
class StoredRole:
    """A role in the catalogue; `groups` are the doors' roles that it is a member of.

    A limited one logs in only until some time, or only so often at once; `settings` are the names of its own.
    """

    name: str
    logs_in: bool
    inherits: bool
    is_superuser: bool
    is_mighty: bool
    remark: str | None
    groups: Sequence[str]
    connects: bool
    uses_schema: bool
    creates_in_schema: bool
    is_limited: bool
    settings: Sequence[str]


# Mighty is who could get round row-level security, or make somebody who can.
SELECT_ROLES = """
SELECT r.rolname::text AS name, r.rolcanlogin AS logs_in, r.rolinherit AS inherits,
    r.rolsuper AS is_superuser,
    r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication AS is_mighty,
    shobj_description(r.oid, 'pg_authid') AS remark,
    ARRAY(SELECT g.rolname::text FROM pg_roles g
        WHERE g.rolname IN ('kladez_tenant', 'kladez_operator') AND pg_has_role(r.oid, g.oid, 'MEMBER')) AS groups,
    has_database_privilege(r.oid, current_database(), 'CONNECT') AS connects,
    has_schema_privilege(r.oid, 'public', 'USAGE') AS uses_schema,
    has_schema_privilege(r.oid, 'public', 'CREATE') AS creates_in_schema,
    r.rolconnlimit <> -1 OR coalesce(r.rolvaliduntil <> 'infinity', false) AS is_limited,
    ARRAY(SELECT DISTINCT split_part(one.setting, '=', 1)
        FROM pg_db_role_setting s, unnest(s.setconfig) AS one (setting)
        WHERE s.setrole = r.oid
            AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        ORDER BY 1) AS settings
FROM pg_roles r WHERE r.rolname = ANY(%(names)s)
"""


async def stored(connection: AsyncConnection, names: Sequence[str]) -> dict[str, StoredRole]:
    async with connection.cursor(row_factory=class_row(StoredRole)) as cursor:
        await cursor.execute(SELECT_ROLES, {"names": list(names)})
        return {role.name: role for role in await cursor.fetchall()}


CREATE_GROUP = "CREATE ROLE {role} NOLOGIN"
TAME = "ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION"
NO_LOGIN = "ALTER ROLE {role} NOLOGIN"
USE_SCHEMA = "GRANT USAGE ON SCHEMA public TO {role}"
CREATE_IN_SCHEMA = "GRANT CREATE ON SCHEMA public TO {role}"
CONNECT = "GRANT CONNECT ON DATABASE {database} TO {role}"
JOIN = "GRANT {group} TO {role}"


def group_differences(found: dict[str, StoredRole]) -> Iterator[Difference]:
    """Of the two roles that a session takes on behind a door."""
    for name in GROUPS:
        role, identifier = found.get(name), sql.Identifier(name)
        if role is None:
            yield _grave(name, "the role is missing", sql.SQL(CREATE_GROUP).format(role=identifier))
        elif role.is_mighty:
            yield _grave(name, "the role has powers of its own", sql.SQL(TAME).format(role=identifier))
        if role and role.logs_in:
            yield _grave(name, "the role may log in", sql.SQL(NO_LOGIN).format(role=identifier))
        if role is None or not role.uses_schema:
            yield _grave(name, "cannot use the schema", sql.SQL(USE_SCHEMA).format(role=identifier))


CREATE_LOGIN = "CREATE ROLE {role} LOGIN NOINHERIT PASSWORD {password}"
LOG_IN = "ALTER ROLE {role} LOGIN NOINHERIT PASSWORD {password} CONNECTION LIMIT -1 VALID UNTIL 'infinity'"
REMARK = "COMMENT ON ROLE {role} IS {fingerprint}"


def login_differences(
    connection: AsyncConnection, login: Login, role: StoredRole | None
) -> Iterator[Difference]:
    """Of a login that is ours to make."""
    identifier = sql.Identifier(login.role)
    if role is None or not is_usable(role, login):
        statement = _with_password(LOG_IN if role else CREATE_LOGIN, connection, login)
        remark = sql.SQL(REMARK).format(role=identifier, fingerprint=sql.Literal(login.fingerprint))
        yield _mild(login.role, "cannot log in", statement, remark)
    if role and role.is_mighty:
        yield _mild(login.role, "has powers of its own", sql.SQL(TAME).format(role=identifier))
    if role is None or not role.connects:
        database = sql.Identifier(connection.info.dbname)
        statement = sql.SQL(CONNECT).format(database=database, role=identifier)
        yield _mild(login.role, "cannot connect", statement)
    # The driver looks for the type of vectors before a door's role is taken on.
    if role is None or not role.uses_schema:
        yield _mild(login.role, "cannot use the schema", sql.SQL(USE_SCHEMA).format(role=identifier))


def is_usable(role: StoredRole, login: Login) -> bool:
    return role.logs_in and not role.inherits and role.remark == login.fingerprint


RESET = "ALTER ROLE {role} RESET ALL"
RESET_HERE = "ALTER ROLE {role} IN DATABASE {database} RESET ALL"
# With these of its own a login reads or writes elsewhere, or not at all; others are a matter of taste.
HARMFUL = frozenset({"role", "row_security", "search_path", "default_transaction_read_only"})


def hindrances(
    connection: AsyncConnection, login: Login, role: StoredRole, *, opens: bool
) -> Iterator[Difference]:
    """Of a login that is ours by its remark. Whoever logs in may change its password and its settings."""
    if role.is_limited or not opens:
        problem = "lets the service in no more" if not opens else "logs in only for a time, or only so often"
        statement = _with_password(LOG_IN, connection, login)
        yield Difference(subject=login.role, problem=problem, statements=[statement], is_grave=not opens)
    if role.settings:
        yield Difference(
            subject=login.role,
            problem=f"has settings of its own: {', '.join(role.settings)}",
            statements=_resets(connection, login),
            is_grave=not HARMFUL.isdisjoint(role.settings),
        )


def _resets(connection: AsyncConnection, login: Login) -> list[sql.Composed]:
    role, database = sql.Identifier(login.role), sql.Identifier(connection.info.dbname)
    return [sql.SQL(RESET).format(role=role), sql.SQL(RESET_HERE).format(role=role, database=database)]


def owner_differences(name: str, role: StoredRole | None) -> Iterator[Difference]:
    """Of whoever makes the tables."""
    if role is None or not (role.uses_schema and role.creates_in_schema):
        identifier = sql.Identifier(name)
        statements = [sql.SQL(one).format(role=identifier) for one in (USE_SCHEMA, CREATE_IN_SCHEMA)]
        yield _mild(name, "cannot make tables", *statements)


def membership_differences(name: str, role: StoredRole | None) -> Iterator[Difference]:
    """Of whoever opens the doors."""
    for group in GROUPS:
        if role is None or group not in role.groups:
            statement = sql.SQL(JOIN).format(group=sql.Identifier(group), role=sql.Identifier(name))
            yield _mild(name, f"cannot become {group}", statement)


LEAVE_DATABASE = "REVOKE ALL ON DATABASE {database} FROM {role}"
LEAVE_SCHEMA = "REVOKE ALL ON SCHEMA public FROM {role}"
DROP = "DROP ROLE {role}"


async def drop(connection: AsyncConnection, name: str) -> None:
    """With the rights that it was given; one that owns something stays as it is, and Postgres says so."""
    role, database = sql.Identifier(name), sql.Identifier(connection.info.dbname)
    async with connection.transaction():
        await connection.execute(sql.SQL(LEAVE_DATABASE).format(database=database, role=role))
        await connection.execute(sql.SQL(LEAVE_SCHEMA).format(role=role))
        await connection.execute(sql.SQL(DROP).format(role=role))


# Only a superuser may say that a function does not leak; without it a big tenant's words are searched slowly.
IS_LEAKPROOF = "SELECT bool_and(proleakproof) FROM pg_proc WHERE proname = 'arrayoverlap'"
LEAKPROOF = "ALTER FUNCTION pg_catalog.arrayoverlap(anyarray, anyarray) LEAKPROOF"


async def is_leakproof(connection: AsyncConnection) -> bool:
    return await (await connection.execute(IS_LEAKPROOF)).fetchone() == (True,)


async def server_differences(connection: AsyncConnection, own: Powers) -> list[Difference]:
    if await is_leakproof(connection):
        return []
    statements = [sql.SQL(LEAKPROOF).format()] if own.is_superuser else []
    return [
        Difference(
            subject="arrayoverlap",
            problem="is not known to be leakproof",
            statements=statements,
            is_grave=False,
        )
    ]


def _with_password(statement: LiteralString, connection: AsyncConnection, login: Login) -> sql.Composed:
    password = sql.Literal(_verifier(connection, login))
    return sql.SQL(statement).format(role=sql.Identifier(login.role), password=password)


def _verifier(connection: AsyncConnection, login: Login) -> str:
    """What Postgres keeps instead of a password; a log of statements then holds nothing to log in with."""
    encrypted = connection.pgconn.encrypt_password(
        login.password.encode(), login.role.encode(), b"scram-sha-256"
    )
    return encrypted.decode()


def _grave(subject: str, problem: str, *statements: sql.Composed) -> Difference:
    return Difference(subject=subject, problem=problem, statements=statements)


def _mild(subject: str, problem: str, *statements: sql.Composed) -> Difference:
    return Difference(subject=subject, problem=problem, statements=statements, is_grave=False)
