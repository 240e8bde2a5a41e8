"""Figures for operators: few labels, all of them fixed, and nothing of what people write in any."""

from __future__ import annotations

import ast
import contextlib
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

import bot.metrics
import retrieval_service.metrics
import retrieval_service.monitoring
import widget_gateway.metrics
from retrieval_service import errors
from retrieval_service.api.access.gate import host_of
from retrieval_service.metrics import provider_call
from tests.house.repository import ROOT

MODULES = (retrieval_service.metrics, widget_gateway.metrics, bot.metrics)
# Each takes its values from a list in the code, or from one of Telegram's or Python's.
BOUNDED = {
    "method",
    "code",
    "mode",
    "backend",
    "degraded",
    "finish_reason",
    "status",
    "target",
    "outcome",
    "purpose",
    "event",
    "state",
    "direction",
    "what",
    "reason",
    "kind",
    "error",
    "part",
    "version",
}


def declared() -> dict[str, tuple[str, ...]]:
    """The labels of every metric that the product declares, by name."""
    found: dict[str, tuple[str, ...]] = {}
    for module in (*MODULES, retrieval_service.monitoring):
        folder = Path(str(module.__file__))
        files = folder.parent.glob("*.py") if folder.name == "__init__.py" else [folder]
        for file in files:
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and is_metric(call):
                    name = ast.literal_eval(call.args[0])
                    found[name] = tuple(ast.literal_eval(call.args[2])) if len(call.args) > 2 else ()
    return found


def is_metric(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in {
        "Counter",
        "Gauge",
        "Histogram",
        "Summary",
        "Info",
    }


def test_labels_are_bounded() -> None:
    assert {name: labels for name, labels in declared().items() if not set(labels) <= BOUNDED} == {}


def test_names_say_whose_they_are_and_are_registered() -> None:
    names = set(declared())
    assert len(names) > 20
    assert [name for name in names if not name.startswith("kladez_")] == []
    assert names <= {family.name for family in REGISTRY.collect()}


def test_operations_page_names_every_metric_and_invents_none() -> None:
    page = (ROOT / "docs" / "operations" / "metrics.md").read_text(encoding="utf-8")
    told = {name.removesuffix("_total") for name in re.findall(r"`(kladez_[a-z_]+)`", page)}
    assert told == set(declared())


def test_every_embedding_is_counted_where_it_is_asked_for() -> None:
    """The checklist's one word aside."""
    services = ROOT / "retrieval_service" / "services"
    asking = {
        f"{file.stem}.{node.name}": ast.unparse(node)
        for file in services.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef)
        and re.search(r"\.embed_(passages|query)\(", ast.unparse(node))
    }
    assert len(asking) > 5
    assert {name for name, body in asking.items() if "note_embedded(" not in body} == {
        "doctor_checks._embedder"
    }


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.0.0.7:51234", "10.0.0.7"),
        ("ipv6:%5B::1%5D:51234", "::1"),
        ("ipv6:[2001:db8::1]:51234", "2001:db8::1"),
        ("unix:/run/kladez.sock", "unix"),
        ("unix:", "unix"),
        ("", ""),
    ],
)
def test_peer_is_a_host_without_a_port(peer: str, host: str) -> None:
    assert host_of(peer) == host


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (None, "ok"),
        (errors.ProviderUnavailable(), "unavailable"),
        (errors.ProviderLocked(), "locked"),
        (errors.ProviderMissing(), "refused"),
        (GeneratorExit(), "left"),
    ],
)
def test_request_to_the_provider_is_counted_by_its_end(raised: BaseException | None, outcome: str) -> None:
    before = REGISTRY.get_sample_value("kladez_openai_calls_total", {"outcome": outcome}) or 0.0
    with contextlib.suppress(type(raised) if raised else ()), provider_call():
        if raised:
            raise raised
    assert REGISTRY.get_sample_value("kladez_openai_calls_total", {"outcome": outcome}) == before + 1
