"""The benchmark of answers asks a real service and counts what is known; how good the answers are is not held here."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from benchmarks import reporting
from benchmarks.answers import asking, counting, retrieval, running, sets
from benchmarks.answers.judging import Asked
from benchmarks.answers.sets import AnswerSet, Split
from retrieval_service.cli.commands.search_and_ask import Mode
from retrieval_service.cli.evals import datasets
from retrieval_service.cli.evals.answer_sets import sample
from retrieval_service.postgres.embedded import Embedded
from tests.kits.service_kit import Running, shared_service

ROOT = Path(__file__).parents[3]

# --- outcomes that are known before

FAQ = {
    "returns": ("How many days do I have to return an order?", "You may return an order within 30 days."),
    "wrapping": ("Do you wrap presents?", "We wrap presents in blue paper for 4 dollars."),
    "hours": ("When is the shop in Dover open?", "The shop in Dover is open from 9 to 17."),
    "paypal": ("Can I pay with PayPal?", "You can pay with PayPal and with bank cards."),
    "jersey": ("Do you deliver to Jersey?", "We deliver to Jersey by ferry on Mondays."),
    "vouchers": ("Where do I enter a voucher code?", "Enter a voucher code on the page of the basket."),
    "guarantee": ("How long is the guarantee on a lamp?", "The guarantee on a lamp is two years."),
}


def asked_of(entry: str, **fields: Any) -> dict[str, Any]:
    """The entry's own question, expected to be answered from it."""
    return {
        "id": entry,
        "language": "en",
        "kind": "plain",
        "question": FAQ[entry][0],
        "previous": [],
        "expected": [entry],
        "contains": "",
        "split": "dev",
        **fields,
    }


QUESTIONS = [
    asked_of("returns", contains="30 DAYS"),
    asked_of("wrapping", contains="9 dollars"),
    asked_of("hours", expected=["returns"]),
    asked_of("paypal", kind="near-miss", expected=[]),
    asked_of("jersey", kind="two-in-one", expected=["jersey", "wrapping"], parts=[["jersey"], ["wrapping"]]),
    asked_of("vouchers", kind="follow-up", previous=["Do you sell vouchers?"]),
    asked_of("guarantee", language="pt", split="held"),
    asked_of("hours", id="near", kind="near-miss", expected=[], question="Does the zeppelin burn plutonium?"),
    asked_of("hours", id="other", kind="other-trade", expected=[], question="Who won the chess olympiad?"),
]
COUNTED = {
    "right document first, hybrid": (4, 5),
    "answered, cites a right document": (5, 6),
    "good by rule, as an answer or as what perhaps helps": (1, 2),
    "of the good ones, stated as an answer": (1, 1),
    "“nothing”, though a right document is in the first 5": (0, 5),
    "two in one: both parts cited": (0, 1),
    "near miss stated as a fact": (1, 2),
    "other trade ended in “nothing”": (1, 1),
    "wrong language": (1, 9),
}


def known_outcomes(folder: Path) -> Path:
    folder.mkdir()
    faq = [{"id": name, "question": question, "answer": answer} for name, (question, answer) in FAQ.items()]
    (folder / "shop.json").write_text(json.dumps({"name": "Known Outcomes", "faq": faq}), encoding="utf-8")
    (folder / "questions.json").write_text(json.dumps({"questions": QUESTIONS}), encoding="utf-8")
    return folder


@pytest.mark.timeout(240)
def test_command_counts_what_is_known(tmp_path: Path) -> None:
    figures, to_read = tmp_path / "figures.json", tmp_path / "read.md"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen")))}
    command = [sys.executable, "-m", "benchmarks.answers", "--set", str(known_outcomes(tmp_path / "known"))]
    command += ["--json", str(figures), "--read", str(to_read), "--wrong"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    document = json.loads(figures.read_text(encoding="utf-8"))
    shares = {name: (share["part"], share["whole"]) for name, share in document["figures"]["all"].items()}
    assert {name: shares[name] for name in COUNTED} == COUNTED
    assert document["endings"]["nothing"] == 2
    assert {row["id"] for row in document["questions"]} == {
        f"known/{one['id']}" for one in QUESTIONS if one["split"] == "dev"
    }
    assert "| ↑ of the good ones, stated as an answer | 1/1 (1.00) |" in done.stdout
    assert "known/guarantee" not in done.stdout + to_read.read_text(encoding="utf-8")
    assert "blue paper" in to_read.read_text(encoding="utf-8")


# --- sets of ours: a dozen questions to each of two


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Running]:
    async with shared_service(postgres_server, migrated_template) as one:
        yield one


def dozen(language: str, trade: str) -> AnswerSet:
    (whole,) = sets.own([language], [trade])
    half = sets.of_split(whole, Split.DEV)
    return replace(half, questions=sample(half.questions, 12))


async def chat_log(service: Running, tenant_id: str) -> list[str]:
    client = service.client.for_tenant(tenant_id)
    logged = await client.list_chat_logs(insights_pb.ListChatLogsRequest(page_size=100))
    return [one.answer.question for one in logged.chat_logs]


@pytest.mark.timeout(180)
@pytest.mark.asyncio(loop_scope="module")
async def test_every_question_is_asked_once_and_counted_once(service: Running) -> None:
    chosen = [dozen("en", "clothes"), dozen("ru", "pharmacy")]
    answered = 0

    def on_answer() -> None:
        nonlocal answered
        answered += 1

    asked = [one for each in chosen for one in await asking.ask_all(service.client, each, on_answer)]
    questions = [question for each in chosen for question in each.questions]
    assert [one.question for one in asked] == questions
    assert answered == len(questions)
    check_counts(asked)
    tenants = await service.client.list_tenants(tenants_pb.ListTenantsRequest())
    logged = [text for one in tenants.tenants for text in await chat_log(service, one.tenant_id)]
    assert sorted(logged) == sorted(text for one in questions for text in (*one.previous, one.text))


def check_counts(asked: list[Asked]) -> None:
    """What must hold whatever the answers are."""
    shares = counting.figures(asked)
    answerable = [one for one in asked if one.question.expected]
    alone = [one for one in answerable if not one.question.previous]
    assert shares[counting.ANSWERED_RIGHT].whole == len(answerable)
    assert shares[counting.LOST].whole == len(alone)
    searched = [shares[measure].whole for measure in counting.SEARCHES]
    # An embedder may not read every script.
    semantic = sum(Mode.SEMANTIC in one.ranks for one in alone)
    assert searched == [len(alone)] * 2 + [semantic] * 2 + [len(alone)] * 2
    assert semantic
    assert shares[counting.GOOD].whole == sum(bool(one.question.contains) for one in answerable)
    assert shares[counting.WRONG_LANGUAGE].whole == len(asked)
    assert all(share.part <= share.whole for share in shares.values())
    assert all(one.text and one.language and one.seconds > 0 for one in asked)
    assert sum(counting.endings(asked).values()) == len(asked)


def test_options_choose_halves_languages_and_trades() -> None:
    options = running.parsed(
        ["--split", "held", "--language", "pt", "--trade", "bank", "--trade", "software"]
    )
    chosen = running.chosen_sets(options)
    assert [one.name for one in chosen] == ["pt/bank", "pt/software"]
    assert {question.split for one in chosen for question in one.questions} == {Split.HELD}
    everything = running.chosen_sets(running.parsed(["--split", "all"]))
    assert [len(one.questions) for one in everything] == [len(one.questions) for one in sets.own()]
    assert {len(one.questions) for one in running.chosen_sets(running.parsed(["--limit", "5"]))} == {5}


# --- searches on test sets

PASSAGES = {
    "xquad_en": ["Penguins live in Antarctica.", "A violin has four strings.", "Bread is baked in an oven."],
    "xquad_ru": ["Пингвины живут в Антарктиде.", "У скрипки четыре струны.", "Хлеб пекут в печи."],
}
QUERIES = {
    "xquad_en": ["Where do penguins live?", "How many strings has a violin?"],
    "xquad_ru": ["Где живут пингвины?", "Сколько струн у скрипки?"],
}


def small_set(folder: Path, name: str) -> datasets.Dataset:
    folder = folder / name
    folder.mkdir()
    for file, texts in (("passages", PASSAGES[name]), ("queries", QUERIES[name])):
        rows = [json.dumps({"id": f"{file[0]}{number}", "text": text}) for number, text in enumerate(texts)]
        (folder / f"{file}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (folder / "qrels.tsv").write_text("q0\tp0\t1\nq1\tp1\t1\n", encoding="utf-8")
    return datasets.load(folder)


@pytest.mark.asyncio(loop_scope="module")
async def test_searches_are_scored_in_their_own_language_and_across(service: Running, tmp_path: Path) -> None:
    loaded = {name: await asyncio.to_thread(small_set, tmp_path, name) for name in PASSAGES}
    figures = await retrieval.of_passages(service.client, loaded, "xquad_ru", None)
    own, _, across, _, space = figures
    assert (own.what, across.what) == ("nDCG@10 xquad_ru, hybrid", "nDCG@10 xquad_en → xquad_ru, hybrid")
    assert all(figure.bar for figure in figures[:-1])
    assert f"share {space.value:.2f}" in space.from_what
    assert own.value == 1
    assert 0 <= across.value <= 1
    assert own.from_what.endswith("full-text 1.0000; 2 questions")
    assert reporting.bar_text(own) == "≥ 0.975"
