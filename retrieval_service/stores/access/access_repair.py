"""What of the declared access is missing in a database, and mending it: nothing is touched that is right already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import LiteralString, cast

from psycopg import AsyncConnection, sql
from psycopg.rows import class_row

from retrieval_service.stores.access import declared_access
from retrieval_service.stores.access.declared_access import Grant, Policy, Table


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something that is not as declared; without `statements` only a person can mend it.

    A grave one leaves rows open or the service without its rights; of the others the service only tells. `advice` is
    what a person may run who knows that nobody means it.
    """

    subject: str
    problem: str
    statements: Sequence[sql.Composed] = field(default=(), repr=False)
    is_grave: bool = True
    advice: sql.Composed | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}"


@dataclass(frozen=True, kw_only=True)
class StoredTable:
    """A table in the catalogue."""

    name: str
    columns: Sequence[str]
    is_closed: bool
    owner: str

    @property
    def declared(self) -> Table:
        return Table(name=self.name, columns=frozenset(self.columns))


@dataclass(frozen=True, kw_only=True)
class StoredPolicy:
    """A policy in the catalogue."""

    table: str
    name: str
    roles: Sequence[str]
    command: str
    using: str | None
    check: str | None


@dataclass(frozen=True, kw_only=True)
class StoredGrant:
    """A privilege in the catalogue; `role` is "" for everybody."""

    table: str
    column: str
    role: str
    privilege: str


@dataclass(frozen=True, kw_only=True)
class StoredFunction:
    """A function of ours in the catalogue."""

    signature: str
    name: str
    owner: str
    is_public: bool
    is_tenants: bool
    is_definers: bool


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """All of the access that a database has."""

    tables: Sequence[StoredTable]
    policies: Sequence[StoredPolicy]
    grants: frozenset[StoredGrant]
    functions: Sequence[StoredFunction]


# Of other programs' tables in the same schema nothing is known, so those without a tenant are left alone.
SELECT_TABLES = """
SELECT c.relname AS name, array_agg(a.attname::text) AS columns,
    c.relrowsecurity AND c.relforcerowsecurity AS is_closed, pg_get_userbyid(c.relowner)::text AS owner
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
GROUP BY c.oid ORDER BY 1
"""
SELECT_POLICIES = """
SELECT tablename AS table, policyname AS name, roles::text[] AS roles, cmd AS command, qual AS using,
    with_check AS check
FROM pg_policies WHERE schemaname = 'public' ORDER BY 1, 2
"""
SELECT_GRANTS = """
SELECT c.relname AS table, '' AS column, a.privilege_type AS privilege,
    CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee)::text END AS role
FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.grantee <> c.relowner
UNION ALL
SELECT c.relname, t.attname::text, a.privilege_type,
    CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee)::text END
FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN aclexplode(t.attacl) a
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.grantee <> c.relowner
"""
SELECT_FUNCTIONS = """
SELECT p.oid::regprocedure::text AS signature, p.proname::text AS name, pg_get_userbyid(p.proowner)::text AS owner,
    has_function_privilege('public', p.oid, 'EXECUTE') AS is_public,
    coalesce(has_function_privilege(to_regrole('kladez_tenant'), p.oid, 'EXECUTE'), false) AS is_tenants,
    p.prosecdef AS is_definers
FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1
"""


async def catalogue(connection: AsyncConnection) -> Catalogue:
    async with connection.cursor(row_factory=class_row(StoredTable)) as cursor:
        tables = await (await cursor.execute(SELECT_TABLES)).fetchall()
    async with connection.cursor(row_factory=class_row(StoredPolicy)) as cursor:
        policies = await (await cursor.execute(SELECT_POLICIES)).fetchall()
    async with connection.cursor(row_factory=class_row(StoredGrant)) as cursor:
        grants = frozenset(await (await cursor.execute(SELECT_GRANTS)).fetchall())
    async with connection.cursor(row_factory=class_row(StoredFunction)) as cursor:
        functions = await (await cursor.execute(SELECT_FUNCTIONS)).fetchall()
    return Catalogue(tables=tables, policies=policies, grants=grants, functions=functions)


def differences(found: Catalogue, *, owner: str) -> list[Difference]:
    """What is to be changed so that the database is as declared, with `owner` owning everything."""
    ours = [table for table in found.tables if is_ours(table)]
    return [
        *_owned_by_another(ours, found.functions, owner),
        *_open(ours),
        *_policies(found, [table.declared for table in ours]),
        *_grants(found, [table.declared for table in ours]),
        *_functions(found.functions),
    ]


def is_ours(table: StoredTable) -> bool:
    listed = (*declared_access.OPERATORS_GRANTS, *declared_access.SHARED, declared_access.ALEMBIC)
    return "tenant_id" in table.columns or table.name in listed


OWN_TABLE = "ALTER TABLE {table} OWNER TO {owner}"
OWN_FUNCTION = "ALTER FUNCTION {function} OWNER TO {owner}"


def _owned_by_another(
    tables: Sequence[StoredTable], functions: Sequence[StoredFunction], owner: str
) -> Iterator[Difference]:
    role = sql.Identifier(owner)
    for table in tables:
        if table.owner != owner:
            statement = sql.SQL(OWN_TABLE).format(table=_table(table.name), owner=role)
            yield Difference(
                subject=table.name,
                problem=f"is owned by {table.owner}, not by {owner}",
                statements=[statement],
                is_grave=False,
            )
    for function in functions:
        if function.owner != owner:
            statement = sql.SQL(OWN_FUNCTION).format(function=signature(function), owner=role)
            yield Difference(
                subject=function.signature,
                problem=f"is owned by {function.owner}, not by {owner}",
                statements=[statement],
                is_grave=False,
            )


CLOSE = "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"


def _open(tables: Sequence[StoredTable]) -> Iterator[Difference]:
    for table in tables:
        if declared_access.is_closed(table.declared) and not table.is_closed:
            statement = sql.SQL(CLOSE).format(table=_table(table.name))
            yield Difference(subject=table.name, problem="row-level security is off", statements=[statement])


DROP_POLICY = "DROP POLICY IF EXISTS {name} ON {table}"
CREATE_POLICY = "CREATE POLICY {name} ON {table} FOR {command} TO {role} USING ({using})"
CREATE_CHECKED = CREATE_POLICY + " WITH CHECK ({check})"


def _policies(found: Catalogue, tables: Sequence[Table]) -> Iterator[Difference]:
    stored = {(policy.table, policy.name): policy for policy in found.policies}
    for policy in declared_access.policies(tables):
        existing = stored.pop((policy.table, policy.name), None)
        if existing is None or not _is_as_declared(policy, existing):
            problem = f"the policy {policy.name} {'is another' if existing else 'is missing'}"
            statements = [_drop(policy.table, policy.name), _create(policy)]
            yield Difference(subject=policy.table, problem=problem, statements=statements)
    names = {table.name for table in tables}
    for table, name in sorted(key for key in stored if key[0] in names):
        problem = f"the policy {name} is not ours"
        yield Difference(subject=table, problem=problem, is_grave=False, advice=_drop(table, name))


def _is_as_declared(policy: Policy, existing: StoredPolicy) -> bool:
    return (
        list(existing.roles) == [policy.role]
        and existing.command == policy.command
        and declared_access.is_same(policy.using, existing.using)
        and declared_access.is_same(policy.check, existing.check)
    )


def _drop(table: str, name: str) -> sql.Composed:
    return sql.SQL(DROP_POLICY).format(name=sql.Identifier(name), table=_table(table))


def _create(policy: Policy) -> sql.Composed:
    return sql.SQL(CREATE_CHECKED if policy.check else CREATE_POLICY).format(
        name=sql.Identifier(policy.name),
        table=_table(policy.table),
        command=sql.SQL(policy.command),
        role=sql.Identifier(policy.role),
        using=sql.SQL(policy.using),
        check=sql.SQL(policy.check or ""),
    )


GRANT = "GRANT {privilege} ON {table} TO {role}"
GRANT_COLUMN = "GRANT {privilege} ({column}) ON {table} TO {role}"
PRIVILEGES = {
    "SELECT": sql.SQL("SELECT"),
    "INSERT": sql.SQL("INSERT"),
    "UPDATE": sql.SQL("UPDATE"),
    "DELETE": sql.SQL("DELETE"),
}
REVOKE_ALL = "REVOKE ALL ON {table} FROM PUBLIC"


def _grants(found: Catalogue, tables: Sequence[Table]) -> Iterator[Difference]:
    names = {table.name for table in tables}
    held = {one for one in found.grants if one.table in names}
    declared = {
        StoredGrant(table=one.table, column=one.column, role=one.role, privilege=one.privilege): one
        for one in declared_access.grants(tables)
        if _has_column(tables, one)
    }
    for stored, grant in declared.items():
        if stored not in held:
            problem = f"{grant.role} lacks {_named(stored)}"
            yield Difference(subject=grant.table, problem=problem, statements=[_granting(grant)])
    for table in sorted({one.table for one in held if one.role == ""}):
        statement = sql.SQL(REVOKE_ALL).format(table=_table(table))
        yield Difference(subject=table, problem="everybody has rights on it", statements=[statement])
    for one in sorted(held - declared.keys(), key=str):
        if one.role in (declared_access.TENANT, declared_access.OPERATOR):
            problem = f"{one.role} holds {_named(one)}, which is not declared"
            yield Difference(subject=one.table, problem=problem, is_grave=False, advice=_revoking(one))


REVOKE = "REVOKE {privilege} ON {table} FROM {role}"
REVOKE_COLUMN = "REVOKE {privilege} ({column}) ON {table} FROM {role}"


def _revoking(grant: StoredGrant) -> sql.Composed:
    return sql.SQL(REVOKE_COLUMN if grant.column else REVOKE).format(
        privilege=sql.SQL(cast("LiteralString", grant.privilege)),
        column=sql.Identifier(grant.column or "-"),
        table=_table(grant.table),
        role=sql.Identifier(grant.role),
    )


def _named(grant: StoredGrant) -> str:
    return f"{grant.privilege} ({grant.column})" if grant.column else grant.privilege


def _has_column(tables: Sequence[Table], grant: Grant) -> bool:
    return not grant.column or any(
        grant.column in table.columns for table in tables if table.name == grant.table
    )


def _granting(grant: Grant) -> sql.Composed:
    return sql.SQL(GRANT_COLUMN if grant.column else GRANT).format(
        privilege=PRIVILEGES[grant.privilege],
        column=sql.Identifier(grant.column or "-"),
        table=_table(grant.table),
        role=sql.Identifier(grant.role),
    )


REVOKE_FUNCTION = "REVOKE ALL ON FUNCTION {function} FROM PUBLIC"
GRANT_FUNCTION = "GRANT EXECUTE ON FUNCTION {function} TO kladez_tenant"


AS_CALLER = "ALTER FUNCTION {function} SECURITY INVOKER"


def _functions(functions: Iterable[StoredFunction]) -> Iterator[Difference]:
    for function in functions:
        name = signature(function)
        if function.name in declared_access.TENANTS_FUNCTIONS and (
            function.is_public or not function.is_tenants
        ):
            statements = [sql.SQL(one).format(function=name) for one in (REVOKE_FUNCTION, GRANT_FUNCTION)]
            yield Difference(
                subject=function.signature, problem="others than tenants may call it", statements=statements
            )
        if function.is_definers:
            as_caller = sql.SQL(AS_CALLER).format(function=name)
            is_ours = function.name in declared_access.TENANTS_FUNCTIONS
            yield Difference(
                subject=function.signature,
                problem="runs with the rights of its owner",
                statements=[as_caller] if is_ours else (),
                is_grave=is_ours,
                advice=None if is_ours else as_caller,
            )


def _table(name: str) -> sql.Identifier:
    return sql.Identifier("public", name)


def signature(function: StoredFunction) -> sql.SQL:
    """As the catalogue writes it, which is how a statement wants it."""
    return sql.SQL(cast("LiteralString", function.signature))
