"""Who may reach which rows, as the database stands: roles, owners, policies, grants, and the service's own login."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from retrieval_service import errors
from retrieval_service.domain.operations.findings import Finding
from retrieval_service.stores.access import securing
from retrieval_service.stores.access.access_repair import Difference
from retrieval_service.stores.database import Database
from retrieval_service.stores.schema import inspection

SHOWN = 5
BY_MIGRATING = "kladez migrate, as the owner of the tables or with KLADEZ_ADMIN_DATABASE_URL"


async def examine(database: Database, dsn: str) -> AsyncIterator[Finding]:
    """Without roles, policies or grants the doors do not open, so that what is behind them is not looked at."""
    access = await securing.compared(dsn)
    declared = _declared(access.differences)
    yield declared
    if not declared.blocks:
        yield await _login(database)
    odd = [str(one) for one in access.logins if not one.is_grave]
    yield _listed("logins", odd, "are as they were made", BY_MIGRATING)
    odd = [str(one) for one in access.tables if not one.is_grave and not one.advice]
    yield _listed("owners", odd, f"everything belongs to {access.owner.role}", BY_MIGRATING)
    async with database.owner() as owner:
        broken = await inspection.invalid_indexes(owner)
    remedy = "a running worker builds them again: kladez work"
    yield _listed("indexes", broken, "are whole", remedy, prefix="half-built: ")


async def unreachable(dsn: str, error: errors.KladezError) -> Finding:
    """Why the doors could not be tried: often the database, sometimes only the service's login."""
    try:
        access = await securing.compared(dsn)
    except errors.KladezError:
        access = None
    if access and access.settings:
        return _listed("database settings", list(map(str, access.settings)), "", _advice(access.settings))
    refused = [str(one) for one in access.logins if one.is_grave] if access else []
    if refused:
        return _listed("logins", refused, "", BY_MIGRATING)
    remedy = "start Postgres, or set DATABASE_URL to one that runs"
    return Finding(name="database", ok=False, detail=str(error), remedy=remedy)


def _declared(differences: Sequence[Difference]) -> Finding:
    """With what somebody added the service goes on, and so does this list."""
    grave = [one for one in differences if one.is_grave]
    added = [one for one in differences if one.advice and not one.is_grave]
    remedies = [BY_MIGRATING] if any(not one.advice for one in grave) else []
    remedies += [_advice([*grave, *added])] if added or not remedies else []
    problems = [str(one) for one in (*grave, *added)]
    listed = _listed("policies and grants", problems, "are as declared", "; ".join(remedies))
    return replace(listed, blocks=bool(grave))


def _advice(differences: Sequence[Difference]) -> str:
    return "; ".join([one.advice.as_string() for one in differences if one.advice][:SHOWN])


def _listed(name: str, problems: list[str], well: str, remedy: str, prefix: str = "") -> Finding:
    if not problems:
        return Finding(name=name, ok=True, detail=well)
    more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return Finding(name=name, ok=False, detail=prefix + "; ".join(problems[:SHOWN]) + more, remedy=remedy)


async def _login(database: Database) -> Finding:
    """What somebody reaches who makes the service run SQL of his own and gives up the role of a door."""
    async with database.operator() as connection:
        session = await inspection.session(connection)
    name = "database login"
    if not (session.is_mighty or session.owns_tables or session.readable):
        return Finding(name=name, ok=True, detail=f"{session.role} reads nothing by itself")
    kind = "has powers over every row" if session.is_mighty else "owns tables or may read some by itself"
    detail = f"the service logs in as {session.role}, who {kind}"
    return Finding(name=name, ok=False, detail=detail, remedy=BY_MIGRATING)
