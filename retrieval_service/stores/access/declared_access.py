"""Which rows and columns each role may reach: the one description that the catalogue is compared with.

A table with a `tenant_id` is closed and open to its tenant by rule. What the operator's role may do is listed here,
and a new table of his needs a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import LiteralString

TENANT = "kladez_tenant"
OPERATOR = "kladez_operator"

OWN_ROWS: LiteralString = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
OWN_ROW: LiteralString = "id = nullif(current_setting('app.tenant_id', true), '')::uuid"
EVERY_ROW: LiteralString = "true"
FORGOTTEN: LiteralString = "status = 'running' AND lease_until < now()"
GIVEN_UP: LiteralString = "status = ANY (ARRAY['interrupted', 'cancelled'])"

ALL_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")
# Tables that hold nothing of any tenant's.
SHARED = ("embedding_spaces",)
ALEMBIC = "schema_version"
NOT_FOR_TENANTS = ("api_keys",)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it stands: `columns` are the names of those it has."""

    name: str
    columns: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Which rows a role reaches by a command, or by "ALL" of them."""

    table: str
    name: str
    role: str
    command: LiteralString
    using: LiteralString
    check: LiteralString | None = None


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A privilege on a table, or with a `column` on nothing else of it."""

    table: str
    role: str
    privilege: str
    column: str = ""


OPERATORS_POLICIES = (
    Policy(table="api_keys", name="every_row", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="backend_comparisons", name="every_row", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(
        table="chat_logs",
        name="abandoned",
        role=OPERATOR,
        command="UPDATE",
        using=FORGOTTEN,
        check=GIVEN_UP,
    ),
    Policy(table="chat_logs", name="every_standing", role=OPERATOR, command="SELECT", using=EVERY_ROW),
    Policy(table="document_files", name="every_row", role=OPERATOR, command="SELECT", using=EVERY_ROW),
    Policy(table="document_sync_jobs", name="every_job", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="embedding_steps", name="every_row", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="gap_inbox", name="every_row", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="handoffs", name="every_row", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="index_job_changes", name="every_change", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="index_jobs", name="every_job", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="installation", name="only_row", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="processes", name="every_process", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="question_counts", name="every_row", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="schedule_runs", name="every_run", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="snapshots", name="every_row", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="sources", name="every_source", role=OPERATOR, command="SELECT", using=EVERY_ROW),
    Policy(table="sync_log", name="every_row", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="tenant_spaces", name="every_row", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="tenants", name="every_row", role=OPERATOR, command="ALL", using=EVERY_ROW),
    Policy(table="vector_stores", name="every_row", role=OPERATOR, command="SELECT", using=EVERY_ROW),
)
TENANTS_POLICIES = (Policy(table="tenants", name="own_row", role=TENANT, command="SELECT", using=OWN_ROW),)

# By table, "PRIVILEGE" or "PRIVILEGE column column …".
OPERATORS_GRANTS = {
    "api_keys": ("SELECT", "INSERT", "UPDATE"),
    "backend_comparisons": ("SELECT tenant_id compared_at", "DELETE"),
    "chat_logs": ("SELECT tenant_id id status lease_until is_cancel_wanted", "UPDATE status finished_at"),
    "document_files": ("SELECT",),
    "document_sync_jobs": ALL_PRIVILEGES,
    "embedding_spaces": ("SELECT",),
    "embedding_steps": ("SELECT tenant_id document_id created_at", "DELETE"),
    "gap_inbox": ("SELECT", "UPDATE"),
    "handoffs": (
        "SELECT tenant_id code_hash session_id expires_at claimed_at",
        "UPDATE claimed_at channel user_key",
        "DELETE",
    ),
    "index_job_changes": ("SELECT", "UPDATE"),
    "index_jobs": ("SELECT", "UPDATE"),
    "installation": ("SELECT", "UPDATE"),
    "processes": ALL_PRIVILEGES,
    "question_counts": ("SELECT tenant_id day", "DELETE"),
    "schedule_runs": ("SELECT", "INSERT", "UPDATE"),
    "snapshots": ("SELECT tenant_id id token_hash expires_at", "DELETE"),
    "sources": ("SELECT tenant_id name",),
    "sync_log": ("SELECT tenant_id happened_at", "DELETE"),
    "tenant_spaces": ALL_PRIVILEGES,
    "tenants": ("SELECT", "INSERT", "UPDATE"),
    "vector_stores": ("SELECT",),
}
# Where it is not all on a table with a tenant, and nothing on another one.
TENANTS_GRANTS = {
    "embedding_spaces": ("SELECT",),
    "question_counts": ("SELECT", "INSERT", "UPDATE"),
    "tenants": ("SELECT",),
}
TENANTS_FUNCTIONS = ("match_documents",)


def is_closed(table: Table) -> bool:
    """Whether row-level security has to be on, for the owner too."""
    return table.name not in (*SHARED, ALEMBIC)


def policies(tables: Iterable[Table]) -> Iterator[Policy]:
    """All that there have to be on these tables."""
    listed = (*OPERATORS_POLICIES, *TENANTS_POLICIES)
    for table in tables:
        yield from (policy for policy in listed if policy.table == table.name)
        if is_tenants(table):
            yield Policy(
                table=table.name,
                name="own_rows",
                role=TENANT,
                command="ALL",
                using=OWN_ROWS,
                check=OWN_ROWS,
            )


def grants(tables: Iterable[Table]) -> Iterator[Grant]:
    """All that there have to be on these tables."""
    for table in tables:
        yield from _listed(table, OPERATOR, OPERATORS_GRANTS.get(table.name, ()))
        usual = ALL_PRIVILEGES if is_tenants(table) else ()
        yield from _listed(table, TENANT, TENANTS_GRANTS.get(table.name, usual))


def is_tenants(table: Table) -> bool:
    return "tenant_id" in table.columns and table.name not in NOT_FOR_TENANTS


def _listed(table: Table, role: str, lines: Iterable[str]) -> Iterator[Grant]:
    for line in lines:
        privilege, *columns = line.split()
        for column in columns or [""]:
            yield Grant(table=table.name, role=role, privilege=privilege, column=column)


def is_same(declared: str | None, stored: str | None) -> bool:
    """Whether two conditions mean the same: Postgres writes back what it was given with casts and brackets."""
    return _bare(declared) == _bare(stored)


def _bare(condition: str | None) -> str:
    return re.sub(r"::\w+|[()\s]", "", condition or "").casefold()
