"""What somebody added to a database: memberships, rights on the schema, rules, settings, triggers that sleep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import LiteralString

from psycopg import AsyncConnection, sql
from psycopg.rows import class_row

from retrieval_service.stores.access.access_repair import Difference
from retrieval_service.stores.access.roles import GROUPS


@dataclass(frozen=True, kw_only=True)
class Membership:
    """A role that another one is given; an opening one reads rows, owns tables or leaves the database.

    What the group may, an inheriting member may without taking the group's role on.
    """

    member: str
    group: str
    grantor: str
    is_opening: bool
    inherits: bool


# Postgres 15 has no option to inherit for each membership.
SELECT_MEMBERSHIPS = """
SELECT m.rolname::text AS member, g.rolname::text AS group, pg_get_userbyid(a.grantor)::text AS grantor,
    g.rolsuper OR g.rolbypassrls OR g.rolcreaterole OR g.rolname = ANY(%(ours)s)
        OR g.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
            'pg_execute_server_program')
        OR EXISTS (SELECT FROM pg_class c
            WHERE c.relowner = g.oid AND c.relnamespace = 'public'::regnamespace) AS is_opening,
    coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, false) AS inherits
FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid
WHERE m.rolname = ANY(%(members)s) ORDER BY 1, 2
"""
LEAVE = "REVOKE {group} FROM {member} GRANTED BY {grantor} CASCADE"
BY_ROLE_ALONE = "REVOKE INHERIT OPTION FOR {group} FROM {member} GRANTED BY {grantor}"


async def membership_differences(
    connection: AsyncConnection, *, owner: str, service: str, mends: bool
) -> list[Difference]:
    """The doors' roles are members of nothing, and the service's login, which is "" when not ours, of these alone."""
    names = {"members": [*GROUPS, service], "ours": [*GROUPS, owner, service]}
    async with connection.cursor(row_factory=class_row(Membership)) as cursor:
        found = await (await cursor.execute(SELECT_MEMBERSHIPS, names)).fetchall()
    differences = [one for membership in found for one in _of_membership(membership)]
    return differences if mends else [replace(one, statements=()) for one in differences]


def _of_membership(one: Membership) -> Iterator[Difference]:
    if one.member in GROUPS or one.group not in GROUPS:
        yield Difference(
            subject=one.member,
            problem=f"is a member of {one.group}",
            statements=[_about_membership(LEAVE, one)],
            is_grave=one.is_opening,
        )
    elif one.inherits:
        yield Difference(
            subject=one.member,
            problem=f"may by itself what {one.group} may",
            statements=[_about_membership(BY_ROLE_ALONE, one)],
            is_grave=False,
        )


def _about_membership(statement: LiteralString, one: Membership) -> sql.Composed:
    return sql.SQL(statement).format(
        group=sql.Identifier(one.group),
        member=sql.Identifier(one.member),
        grantor=sql.Identifier(one.grantor),
    )


SELECT_CREATORS = """
SELECT DISTINCT CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee)::text END
FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a
WHERE n.nspname = 'public' AND a.privilege_type = 'CREATE' ORDER BY 1
"""
STOP_CREATING = "REVOKE CREATE ON SCHEMA public FROM {role}"
PUBLIC = sql.SQL("PUBLIC")


async def schema_differences(connection: AsyncConnection, *, service: str) -> list[Difference]:
    """Who makes a function or a table in the schema may stand before one of ours; other programs may need to."""
    creators = [name for (name,) in await (await connection.execute(SELECT_CREATORS)).fetchall()]
    differences: list[Difference] = []
    for name in creators:
        if name in (*GROUPS, service):
            statement = sql.SQL(STOP_CREATING).format(role=sql.Identifier(name))
            differences.append(
                Difference(subject=name, problem="may create in the schema", statements=[statement])
            )
        elif not name:
            advice = sql.SQL(STOP_CREATING).format(role=PUBLIC)
            differences.append(told("schema public", "everybody may create in it", advice))
    return differences


@dataclass(frozen=True, kw_only=True)
class Named:
    """A trigger or a rule."""

    table: str
    name: str


SELECT_SLEEPING = """
SELECT c.relname::text AS table, t.tgname::text AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND t.tgenabled NOT IN ('O', 'A') ORDER BY 1, 2
"""
SELECT_RULES = """
SELECT c.relname::text AS table, r.rulename::text AS name FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1, 2
"""
WAKE = "ALTER TABLE {table} ENABLE TRIGGER {name}"
DROP_RULE = "DROP RULE {name} ON {table}"


async def table_differences(connection: AsyncConnection, tables: Sequence[str]) -> list[Difference]:
    """Of our tables: what should happen at a write and does not, and what happens instead."""
    async with connection.cursor(row_factory=class_row(Named)) as cursor:
        sleeping = await (await cursor.execute(SELECT_SLEEPING)).fetchall()
        rules = await (await cursor.execute(SELECT_RULES)).fetchall()
    return [
        *(_sleeping(one) for one in sleeping if one.table in tables),
        *(
            told(one.table, f"the rule {one.name} is not ours", _about(DROP_RULE, one))
            for one in rules
            if one.table in tables
        ),
    ]


def _sleeping(one: Named) -> Difference:
    """Only a superuser may wake those of foreign keys."""
    statement = _about(WAKE, one)
    return Difference(
        subject=one.table,
        problem=f"the trigger {one.name} is switched off",
        statements=[statement],
        is_grave=False,
        advice=statement,
    )


def _about(statement: LiteralString, one: Named) -> sql.Composed:
    parts = {"table": sql.Identifier("public", one.table), "name": sql.Identifier(one.name)}
    return sql.SQL(statement).format(**parts)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every session of a database begins with, unless its role says otherwise."""

    name: str
    value: str
    is_of_all_databases: bool


SELECT_SETTINGS = """
SELECT split_part(one.setting, '=', 1) AS name, substr(one.setting, strpos(one.setting, '=') + 1) AS value,
    s.setdatabase = 0 AS is_of_all_databases
FROM pg_db_role_setting s, unnest(s.setconfig) AS one (setting)
WHERE s.setrole = 0 AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY 1
"""
SEES_SCHEMA = "SELECT 'public' = ANY(current_schemas(false))"
RESET_DATABASE = "ALTER DATABASE {database} RESET {name}"
RESET_ALL = "ALTER ROLE ALL RESET {name}"


async def setting_differences(connection: AsyncConnection) -> list[Difference]:
    """Those with which the service finds no table, or is another; whoever set them has to take them back."""
    async with connection.cursor(row_factory=class_row(Setting)) as cursor:
        settings = await (await cursor.execute(SELECT_SETTINGS)).fetchall()
    sees_schema = await (await connection.execute(SEES_SCHEMA)).fetchone() == (True,)
    return list(_harmful(connection.info.dbname, settings, sees_schema=sees_schema))


def _harmful(database: str, settings: Sequence[Setting], *, sees_schema: bool) -> Iterator[Difference]:
    for one in settings:
        if one.name == "role" or (one.name == "search_path" and not sees_schema):
            statement = RESET_ALL if one.is_of_all_databases else RESET_DATABASE
            parts = {"name": sql.Identifier(one.name), "database": sql.Identifier(database)}
            yield Difference(
                subject=f"database {database}",
                problem=f"every session begins with {one.name} = {one.value}",
                advice=sql.SQL(statement).format(**parts),
            )


def told(subject: str, problem: str, advice: sql.Composed) -> Difference:
    """What may be meant by somebody, so that only a person takes it away."""
    return Difference(subject=subject, problem=problem, is_grave=False, advice=advice)
