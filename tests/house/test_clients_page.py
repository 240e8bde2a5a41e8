"""What docs/clients.md says of limits and errors is what the service does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from retrieval_service import errors
from retrieval_service.api import pages, policies, status
from retrieval_service.server import MOST_MESSAGE_BYTES
from tests.house.repository import rpc_methods, text

PAGE = text("docs/clients.md")
UNITS = {"KiB": 1024, "MiB": 1024 * 1024, "s": 1}
OTHERS = "all others"


def table(unit: str) -> dict[str, float]:
    """The limit of every method, by its name, out of the table whose limits have this kind of unit."""
    found: dict[str, float] = {}
    others = 0.0
    for number, written, names in re.findall(rf"^\| (\d+) ({unit}) \| (.+) \|$", PAGE, re.MULTILINE):
        limit = float(number) * UNITS[written]
        found |= dict.fromkeys(re.findall(r"`(\w+)`", names), limit)
        others = limit if names == OTHERS else others
    return {method.name: found.get(method.name, others) for method in rpc_methods().values()}


def kinds(kind: type[errors.KladezError]) -> Iterator[type[errors.KladezError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def reasons() -> dict[str, type[errors.KladezError]]:
    """The highest class of each reason that a client may see; the command line's own are not among them."""
    found: dict[str, type[errors.KladezError]] = {}
    for kind in kinds(errors.KladezError):
        if kind.__module__ == errors.__name__:
            found.setdefault(kind.reason, kind)
    return found


def row(reason: str, kind: type[errors.KladezError]) -> str:
    code = next(status.CODES[one] for one in kind.__mro__ if one in status.CODES)
    return f"| `{reason}` | {code.name} | {(kind.__doc__ or '').splitlines()[0]} |"


def test_page_knows_the_largest_request_of_every_method() -> None:
    real = {path.rpartition("/")[2]: policy.max_request_bytes for path, policy in ours()}
    assert table("KiB|MiB") == real


def test_page_knows_how_long_every_method_may_take() -> None:
    real = {path.rpartition("/")[2]: policy.max_seconds for path, policy in ours()}
    assert table("s") == real


def ours() -> list[tuple[str, policies.Policy]]:
    return [(path, policy) for path, policy in policies.POLICIES.items() if path in rpc_methods()]


def test_page_knows_what_grpc_itself_refuses_and_how_long_pages_are() -> None:
    assert f"above {MOST_MESSAGE_BYTES // UNITS['MiB']} MiB" in PAGE
    assert f"at most {pages.MOST_BYTES // UNITS['MiB']} MiB" in PAGE


def test_every_method_leaves_the_gate_room_to_refuse_by_name() -> None:
    assert max(policy.max_request_bytes for _, policy in ours()) < MOST_MESSAGE_BYTES


@pytest.mark.parametrize("reason", sorted(reasons()))
def test_page_explains_the_reason(reason: str) -> None:
    assert row(reason, reasons()[reason]) in PAGE.splitlines()


def test_page_invents_no_reason() -> None:
    told = set(re.findall(r"^\| `([A-Z_]+)` \| [A-Z_]+ \|", PAGE, re.MULTILINE))
    assert told == set(reasons())


def test_every_proto_names_the_same_go_package() -> None:
    found = {method.containing_service.file.GetOptions().go_package for method in rpc_methods().values()}
    assert found == {"kladez/v1;kladezv1"}
