"""Thieves of every scope call every method at random: nobody learns or changes what is another tenant's.

`make fuzz` makes 100,000 calls among 20 tenants, every other run some hundreds among six.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.integration.tenants.test_rpc_isolation import RPCS
from tests.kits.fuzz_kit import (
    METHODS,
    OPERATORS,
    Call,
    Chance,
    Heist,
    Target,
    Thief,
    marks_of,
    raid,
    scope_numbers,
    target,
)
from tests.kits.isolation_kit import dump, new_owned
from tests.kits.service_kit import Running, new_key

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(14_400)]

WHOLE_RUN = 10_000
AT_ONCE = 12
CHANNEL, READ, WRITE, OPERATOR = "channel", "tenant:read", "tenant:write", "operator"
EVERYTHING = frozenset("pth")
# A mouth's customers see these.
CUSTOMERS = frozenset("pt")
# Tables that grow when customers ask, whoever holds the mouth's key.
ASKED = {"chat_sessions", "chat_logs", "handoffs"}
COUNTED = {"usage_daily", "question_counts", "gap_inbox", "question_gaps", "tenants"}


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    return {"questions_per_day": 0, "visitor_questions_per_day": 0, "tenant_requests_per_minute": 0}


async def test_oracle_sees_what_a_thief_may_not(running: Running) -> None:
    """Otherwise the trial above would prove nothing."""
    own, other = await new_targets(running, 2)
    reader = await new_thief(running, {READ}, EVERYTHING, home=own)
    mouth = await new_thief(running, {CHANNEL}, CUSTOMERS, home=own)
    stolen = await new_thief(running, {CHANNEL}, CUSTOMERS, visits=[own, other])
    heist = Heist(running=running, targets=[own, other])

    def leaks(thief: Thief, told: str, *, method: str = "Search", sent: bytes = b"") -> int:
        call = Call(
            method=f"/kladez.v1.SearchService/{method}",
            thief=thief,
            bodies=[sent],
            metadata=(),
            acts_for=own,
        )
        return len(list(heist.leaks_in(call, told.encode())))

    for mark in (own.marks.public, own.marks.text, own.marks.hidden, str(own.owned.answer_id)):
        assert leaks(reader, f"x{mark}y") == 0
    assert leaks(mouth, own.marks.text) == 0
    assert leaks(mouth, own.marks.hidden) == 1
    for thief in (reader, mouth, stolen):
        assert leaks(thief, f"{other.marks.text}, {other.marks.hidden}") == 2
        assert leaks(thief, str(other.owned.document_id)) == 1
        assert leaks(thief, str(other.owned.document_id), sent=str(other.owned.document_id).encode()) == 0
    assert leaks(reader, other.marks.public) == 1
    assert leaks(stolen, other.marks.public) == 0


async def test_nobody_learns_or_changes_what_is_anothers(
    running: Running, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    calls, seed = request.config.getoption("--fuzz-calls"), request.config.getoption("--fuzz-seed")
    targets = await new_targets(running, 20 if calls >= WHOLE_RUN else 6)
    half = len(targets) // 2
    operated, visited, attackers, silent = targets[:1], targets[1:2], targets[2:half], targets[half:]
    thieves = await new_thieves(running, attackers, visited, operated)
    before = {one.tenant_id: await dump(running, one.tenant_id) for one in (*visited, *silent)}
    heist = Heist(running=running, targets=targets)
    await raid(heist, planned(calls, seed, targets, thieves), at_once=AT_ONCE)
    with capsys.disabled():
        request.config.get_terminal_writer().line(report(heist))
    assert heist.leaks == []
    for one in silent:
        assert changes(before[one.tenant_id], await dump(running, one.tenant_id)) == {}
    for one in visited:
        after = await dump(running, one.tenant_id)
        assert lost(before[one.tenant_id], after) == {}
        session_id = str(one.owned.session_id)
        assert said_in(session_id, after) == said_in(session_id, before[one.tenant_id])
    assert len(heist.answered) >= (60 if calls >= WHOLE_RUN else 30)
    assert "INTERNAL" not in heist.codes
    assert "UNKNOWN" not in heist.codes


def planned(calls: int, seed: int, targets: Sequence[Target], thieves: Sequence[Thief]) -> Iterator[Call]:
    for number in range(calls):
        yield Chance(f"{seed}-{number}", targets, RPCS).call(thieves)


async def new_targets(running: Running, count: int) -> list[Target]:
    """A few at a time: each waits for the worker."""
    made: list[Target] = []
    for start in range(0, count, 5):
        marks = [marks_of(number) for number in range(start, min(start + 5, count))]
        owned = await asyncio.gather(*(new_owned(running, one) for one in marks))
        made += [target(*pair) for pair in zip(marks, owned, strict=True)]
    return made


async def new_thieves(
    running: Running, attackers: Sequence[Target], visited: Sequence[Target], operated: Sequence[Target]
) -> list[Thief]:
    """Of each attacker one for each scope and one for all; and keys of many tenants, a stolen mouth's among them.

    The operator's key is let loose on one tenant: it may do to tenants what it likes, and read none.
    """
    thieves = [
        await new_thief(running, scopes, sees, home=home)
        for home in attackers
        for scopes, sees in (
            ({READ}, EVERYTHING),
            ({WRITE}, EVERYTHING),
            ({CHANNEL}, CUSTOMERS),
            ({READ, WRITE, CHANNEL}, EVERYTHING),
        )
    ]
    for _ in range(max(2, len(attackers) // 2)):
        thieves.append(await new_thief(running, {CHANNEL}, CUSTOMERS, visits=(*attackers, *visited)))
        thieves.append(await new_thief(running, {READ}, EVERYTHING, visits=attackers))
        thieves.append(await new_thief(running, {WRITE}, EVERYTHING, visits=attackers))
    operator = await new_thief(running, {OPERATOR}, frozenset("p"), visits=operated, reach=operated)
    return [*thieves, operator]


async def new_thief(running: Running, scopes: set[str], sees: frozenset[str], **whose: Any) -> Thief:
    home: Target | None = whose.get("home")
    key = await new_key(running, scope_numbers(frozenset(scopes)), tenant_id=home.tenant_id if home else "")
    name = f"{'+'.join(sorted(scopes))} of {'one tenant' if home else 'many'}"
    return Thief(name=name, key=key, scopes=frozenset(scopes), sees=sees, **whose)


def report(heist: Heist) -> str:
    silent = sorted(method.rpartition("/")[2] for method in set(METHODS) - OPERATORS - heist.answered)
    lines = [
        f"\n{heist.codes.total():,} calls among {len(heist.targets)} tenants: {len(heist.leaks)} leaks",
        f"answered OK at least once: {len(heist.answered)} of {len(METHODS)} methods,"
        f" {len(OPERATORS)} of which are the operator's alone",
        f"never, of the others: {', '.join(silent) or 'none'}",
        ", ".join(f"{code} {count:,}" for code, count in heist.codes.most_common()),
    ]
    return "\n".join(lines)


Rows = dict[str, list[Any]]


def said_in(session_id: str, rows: Rows) -> list[Any]:
    """All that belongs to a conversation, which only who can prove it may add to."""
    return [row for table in sorted(ASKED) for row in rows[table] if session_id in str(row)]


def changes(before: Rows, after: Rows) -> dict[str, tuple[int, int]]:
    return {table: (len(rows), len(after[table])) for table, rows in before.items() if rows != after[table]}


def lost(before: Rows, after: Rows) -> dict[str, list[Any]]:
    """Rows that are not what they were, of a tenant whose customers may have asked."""
    found: dict[str, list[Any]] = {}
    for table, rows in before.items():
        gone = [row for row in rows if row not in after[table]]
        is_grown = table not in ASKED and len(after[table]) != len(rows)
        if table not in COUNTED and (gone or is_grown):
            found[table] = gone or after[table]
    return found
