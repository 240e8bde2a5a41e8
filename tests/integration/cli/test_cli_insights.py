"""`kladez gaps`, `chats`, `insight` and `usage`, as another process runs them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as answers_pb

from retrieval_service.cli.commands.chats import End
from retrieval_service.cli.failures import ExitCode
from tests.kits import commands_kit
from tests.kits.answers_kit import QUESTION
from tests.kits.insights_kit import NOTHING_KNOWN, asked, rate, shop_with_gap
from tests.kits.service_kit import Running, Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Kladez:
    """Runs commands for a shop of lamps that was asked for gift cards."""

    def __init__(self, running: Running, shop: Shop, group_id: str, folder: Path) -> None:
        self.shop = shop
        self.group_id = group_id
        address = f"127.0.0.1:{running.port}"
        self._told = ["--address", address, "--key", shop.key, "--data-dir", str(folder)]

    async def __call__(self, *arguments: str, typed: str = "") -> tuple[int, str, str]:
        done = await commands_kit.kladez(*arguments, *self._told, typed=typed)
        return done.code, done.printed, done.complaints


@pytest_asyncio.fixture(loop_scope="module")
async def kladez(running: Running, tmp_path: Path) -> Kladez:
    shop, group = await shop_with_gap(running)
    return Kladez(running, shop, group.group_id, tmp_path)


async def test_gap_is_listed_shown_and_resolved(kladez: Kladez) -> None:
    code, printed, _ = await kladez("gaps", "list")
    assert code == 0
    assert printed.split("\t")[:6] == [kladez.group_id, "1", "0", "0", "en", "open"]
    code, printed, _ = await kladez("gaps", "show", kladez.group_id)
    assert (code, f"- {NOTHING_KNOWN}" in printed) == (0, True)
    entry = "Gift cards are sold at the till."
    code, printed, told = await kladez("gaps", "resolve", kladez.group_id, "-", typed=entry)
    assert (code, entry in printed, "Resolved." in told) == (0, True, True)
    assert (await kladez("gaps", "list"))[1] == ""
    code, printed, _ = await kladez("gaps", "list", "--status", "resolved", "--json")
    assert json.loads(printed)["groups"][0]["answered"] is True


async def test_entry_that_does_not_help_is_told_by_the_exit_code(kladez: Kladez) -> None:
    arguments = ("We open at nine.", "--question", "Opening hours")
    code, _, told = await kladez("gaps", "resolve", kladez.group_id, *arguments)
    assert (code, "Still open" in told) == (ExitCode.FAILED, True)


async def test_gap_is_ignored_and_an_unknown_one_not_found(kladez: Kladez) -> None:
    code, printed, _ = await kladez("gaps", "ignore", kladez.group_id)
    assert (code, printed) == (0, f"Ignored: {NOTHING_KNOWN}\n")
    code, _, _ = await kladez("gaps", "show", "a24edb5b-0f0c-4b2b-a5f5-5d8f6f7d3a11")
    assert code == ExitCode.NOT_FOUND


async def test_chats_are_listed_and_exported_without_formulas_for_spreadsheets(kladez: Kladez) -> None:
    [answer_id] = await asked(kladez.shop, QUESTION)
    await rate(kladez.shop, answer_id, answers_pb.RATING_DOWN, reason='=HYPERLINK("http://evil")')
    code, printed, _ = await kladez("chats", "list", "--rating", "down")
    assert (code, printed.rstrip().split("\t")[2:]) == (0, ["en", "down", "stop", QUESTION])
    code, printed, _ = await kladez("chats", "export", "--csv")
    newest, oldest = csv.DictReader(io.StringIO(printed))
    assert code == 0
    assert newest["reason"] == '\'=HYPERLINK("http://evil")'
    assert (newest["documents"], oldest["finish_reason"]) == ("article/returns", "no_relevant_content")
    code, printed, _ = await kladez("chats", "export", "--unanswered")
    [line] = printed.splitlines()
    assert json.loads(line)["answer"]["question"] == NOTHING_KNOWN
    assert (await kladez("chats", "list", "--until", "2020-01-01"))[1] == ""
    ended = {end: len((await kladez("chats", "list", "--ended", end))[1].splitlines()) for end in End}
    assert {end: count for end, count in ended.items() if count} == {End.ANSWERED: 1, End.NOTHING: 1}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--channel", "Виджет"), "filter.channel"),
        (("--language", "português"), "filter.language"),
        (("--session", "mine"), "filter.session_id"),
        (("--since", "2026-02-01", "--until", "2026-01-01"), "filter.end_time"),
        (("--since", "вчера"), "--since"),
        (("--until", "2026-13-01"), "--until"),
        (("--rating", "bom"), "--rating"),
    ],
)
@pytest.mark.parametrize("command", ["list", "export"])
async def test_wrong_filter_is_told_by_its_name(
    kladez: Kladez, command: str, options: tuple[str, ...], named: str
) -> None:
    code, printed, told = await kladez("chats", command, *options)
    assert (code, printed) == (ExitCode.USAGE, "")
    assert named in told


async def test_insight_and_usage_are_printed(kladez: Kladez) -> None:
    answer_id, _ = await asked(kladez.shop, QUESTION, QUESTION)
    code, printed, _ = await kladez("insight", "questions")
    assert (code, printed.splitlines()[0]) == (0, f"2\t0\t1\ten\t{QUESTION}")
    code, printed, _ = await kladez("insight", "documents")
    assert (code, printed) == (0, "2\t0\tarticle/returns\tReturns\n")
    code, printed, _ = await kladez("usage", "--json")
    assert (code, json.loads(printed)["days"][0]["answered_share"]) == (0, pytest.approx(2 / 3))
    await rate(kladez.shop, answer_id, answers_pb.RATING_UP)
    code, printed, _ = await kladez("usage")
    day, total = (line.split("\t") for line in printed.splitlines())
    assert (code, total[0]) == (0, "total")
    assert total[1:] == day[1:]
    answered, p50, p95, up, down, people = total[3:9]
    assert (answered, up, down, people) == ("66.7%", "1", "0", "0")
    assert 0 <= int(p50) <= int(p95)


async def test_second_evaluation_of_the_demo_shop_tells_what_changed(
    running: Running, kladez: Kladez, tmp_path: Path
) -> None:
    """Its tenant is gone each time; the operator's data folder remembers."""
    operator = Kladez(running, replace(kladez.shop, key=running.key), "", tmp_path)
    code, first, complaints = await operator("eval", "answers", "demo", "--limit", "6")
    assert (code, "(" in first, "In brackets" in complaints) == (0, False, False)
    code, second, complaints = await operator("eval", "answers", "demo", "--limit", "6")
    assert (code, "(+0.000)" in second) == (0, True)
    assert "In brackets: against the run of" in complaints
    code, other, _ = await operator("eval", "answers", "demo", "--limit", "3")
    assert (code, "(" in other) == (0, False)
