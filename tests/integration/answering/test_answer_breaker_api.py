"""A model that keeps failing is left alone: nobody waits for it, customers get quotations, one answer tries it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from kladez.v1 import search_service_pb2 as search_pb
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from retrieval_service import metrics
from retrieval_service.postgres.embedded import Embedded
from tests.fakes.openai import FakeOpenAI, Fault, Interruption, Script, running_openai
from tests.kits.answers_kit import QUESTION, Heard, ask, assert_well_formed, lamp_shop, new_session
from tests.kits.service_kit import Shop, refused, shared_service

MODEL = "/chat/completions"
FAILURES = 2
EVERY_TIME = 99
# Longer than an answer takes on a busy machine: within it there is one trial.
PAUSE_SECONDS = 4.0


@asynccontextmanager
async def broken_model(
    postgres: Embedded, template: str, **changes: object
) -> AsyncIterator[tuple[Shop, FakeOpenAI]]:
    """A model that fails until its faults are cleared, and a service that soon has enough of it."""
    async with running_openai() as model:
        settings = {
            "answerer": "chat",
            "openai_base_url": model.base_url,
            "answer_breaker_failures": FAILURES,
            "answer_breaker_pause_seconds": 3_600.0,
            **changes,
        }
        async with shared_service(postgres, template, **settings) as running:
            shop = await lamp_shop(running)
            model.fail(Fault(path=MODEL, status=401, code="invalid_api_key", times=EVERY_TIME))
            yield shop, model


@pytest.fixture(autouse=True)
def nothing_is_left_alone() -> None:
    """Other tests of the process had breakers too."""
    metrics.ANSWER_CIRCUIT_OPEN.set(0)
    metrics.CIRCUIT_OPEN.set(0)


def is_shown_open() -> tuple[bool, bool]:
    """The answering model's circuit and that of OpenAI Retrieval, as `/metrics` tells them."""
    names = ("kladez_answer_circuit_open", "kladez_openai_circuit_open")
    answering, retrieving = (REGISTRY.get_sample_value(name) for name in names)
    return answering == 1, retrieving == 1


def calls(model: FakeOpenAI) -> int:
    return len(model.journal.to(MODEL))


async def quoted(shop: Shop, **fields: object) -> Heard:
    heard = await ask(shop, **fields)
    assert_well_formed(heard)
    assert heard.completed.model_away
    assert heard.completed.answer.answerer == "extractive"
    assert "thirty days" in heard.text
    return heard


async def written(shop: Shop) -> Heard:
    heard = await ask(shop)
    assert_well_formed(heard)
    assert not heard.completed.degraded
    assert heard.completed.answer.answerer != "extractive"
    return heard


async def test_model_that_failed_often_enough_is_asked_no_more(
    postgres_server: Embedded, migrated_template: str
) -> None:
    async with broken_model(postgres_server, migrated_template) as (shop, model):
        for failures in range(1, FAILURES + 1):
            assert is_shown_open() == (False, False)
            await quoted(shop)
            assert calls(model) == failures
        assert is_shown_open() == (True, False)
        session_id = await new_session(shop)
        for _ in range(3):
            await quoted(shop, session_id=session_id)
        # A follow-up is understood by rule, and a summary quotes.
        await ask(shop, "And how many days is that?", session_id=session_id)
        request = search_pb.SummarizeSearchRequest(query=QUESTION)
        summary = await shop.client.summarize_search(request)
        assert (summary.summarizer, summary.degraded) == ("extractive", True)
        assert calls(model) == FAILURES


async def test_one_answer_tries_the_model_again_while_the_others_are_quoted(
    postgres_server: Embedded, migrated_template: str
) -> None:
    changes = {"answer_breaker_pause_seconds": PAUSE_SECONDS}
    async with broken_model(postgres_server, migrated_template, **changes) as (shop, model):
        for _ in range(FAILURES):
            await quoted(shop)
        model.faults.clear()
        model.fail(Fault(path=MODEL, hangs=True, times=1))
        await asyncio.sleep(PAUSE_SECONDS)
        trial = asyncio.create_task(ask(shop))
        await model.journal.arrived(MODEL, count=FAILURES + 1)
        await quoted(shop)
        assert calls(model) == FAILURES + 1
        trial.cancel()
        assert is_shown_open() == (True, False)
        await asyncio.sleep(PAUSE_SECONDS)
        await written(shop)
        assert is_shown_open() == (False, False)
        await written(shop)


async def test_model_that_breaks_off_every_answer_is_left_alone_too(
    postgres_server: Embedded, migrated_template: str
) -> None:
    async with broken_model(postgres_server, migrated_template) as (shop, model):
        model.faults.clear()
        await written(shop)
        model.script = Script(text="Thirty days or more [1].", interruption=Interruption.DISCONNECT)
        for _ in range(FAILURES):
            with refused("UNAVAILABLE"):
                await ask(shop)
        asked = calls(model)
        await quoted(shop)
        assert calls(model) == asked


async def test_nobody_waits_longer_for_the_first_word_than_they_have_patience(
    postgres_server: Embedded, migrated_template: str
) -> None:
    changes = {"answer_patience_seconds": 0.3, "openai_timeout_seconds": 3_600.0}
    async with broken_model(postgres_server, migrated_template, **changes) as (shop, model):
        model.faults.clear()
        model.fail(Fault(path=MODEL, hangs=True, times=1))
        await quoted(shop)
        model.fail(Fault(path=MODEL, status=429, headers={"retry-after": "60"}, times=1))
        await quoted(shop)
        assert calls(model) == FAILURES


async def test_operator_is_told_of_a_key_that_is_refused(
    postgres_server: Embedded, migrated_template: str
) -> None:
    async with broken_model(postgres_server, migrated_template) as (shop, _):
        with capture_logs() as logs:
            heard = await quoted(shop)
        told = [one for one in logs if one["event"] == "answer_quoted"]
        assert [(one["log_level"], one["reason"]) for one in told] == [("error", "PROVIDER_LOCKED")]
        assert told[0]["answer_id"] == heard.started.answer_id
        assert QUESTION not in str(logs)
