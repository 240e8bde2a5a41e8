"""The OpenAI embedder against the loopback server: sizes, order, lengths and every way to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from retrieval_service import errors
from retrieval_service.providers.openai.batching import BatchLimits
from retrieval_service.providers.openai.client import OpenAISettings
from retrieval_service.providers.openai.embeddings import (
    EmbeddingSettings,
    OpenAIEmbedder,
    open_openai_embedder,
    space_of,
)
from retrieval_service.providers.ports import Embedder
from tests.fakes.openai import Drop, FakeOpenAI, Fault, running_openai

SECRET = "sk-live-Abc123"
QUESTION = "Where is my parcel number 42"
PATH = "/embeddings"


@asynccontextmanager
async def embedder_at(
    fake: FakeOpenAI, *, max_retries: int = 0, **settings: Any
) -> AsyncIterator[OpenAIEmbedder]:
    access = OpenAISettings(
        api_key=SECRET, base_url=fake.base_url, timeout_seconds=5, max_retries=max_retries
    )
    embedder = await open_openai_embedder(access, replace(EmbeddingSettings(), **settings))
    try:
        yield embedder
    finally:
        await embedder.close()


def inputs(fake: FakeOpenAI) -> list[list[str]]:
    return [exchange.body["input"] for exchange in fake.journal.to(PATH)]


async def test_rows_are_unit_length_and_tokens_are_counted(fake: FakeOpenAI) -> None:
    async with embedder_at(fake) as opened:
        embedder: Embedder = opened
        embedded = await embedder.embed_passages(["red lamp", "Доставка бесплатна", "Frete grátis"])
    assert embedded.vectors.shape == (3, 1536)
    assert embedded.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embedded.vectors, axis=1), 1.0, rtol=1e-6)
    assert embedded.tokens == 6


async def test_two_hundred_texts_are_four_requests(fake: FakeOpenAI) -> None:
    async with embedder_at(fake) as embedder:
        await embedder.embed_passages([f"text {number}" for number in range(200)])
    assert sorted(map(len, inputs(fake)), reverse=True) == [64, 64, 64, 8]


async def test_token_limit_makes_smaller_requests(fake: FakeOpenAI) -> None:
    limits = BatchLimits(tokens=100)
    async with embedder_at(fake, limits=limits) as embedder:
        await embedder.embed_passages(["x" * 40] * 5)
    assert sorted(map(len, inputs(fake)), reverse=True) == [2, 2, 1]


async def test_order_is_kept_when_the_first_request_is_the_last_to_end(fake: FakeOpenAI) -> None:
    texts = [f"word{number} common" for number in range(40)]
    fake.fail(Fault(path=PATH, delay_seconds=0.2))
    async with embedder_at(fake, limits=BatchLimits(texts=4)) as embedder:
        embedded = await embedder.embed_passages(texts)
        alone = [(await embedder.embed_query(text)).vectors[0] for text in texts]
    np.testing.assert_array_equal(embedded.vectors, np.stack(alone))


async def test_no_more_requests_run_at_once_than_configured(fake: FakeOpenAI) -> None:
    fake.fail(Fault(path=PATH, hangs=True, times=99))
    async with embedder_at(fake, concurrency=3, limits=BatchLimits(texts=1)) as embedder:
        importing = asyncio.create_task(embedder.embed_passages(["a"] * 10))
        await fake.journal.arrived(PATH, count=3)
        await asyncio.sleep(0.1)
        assert len(inputs(fake)) == 3
        importing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await importing


async def test_patient_import_leaves_a_slot_to_every_other(fake: FakeOpenAI) -> None:
    fake.fail(Fault(path=PATH, hangs=True, times=99))
    async with embedder_at(fake, concurrency=3, limits=BatchLimits(texts=1)) as embedder:
        patient = [asyncio.create_task(embedder.embed_passages(["a"] * 10, patiently=True)) for _ in range(2)]
        await fake.journal.arrived(PATH, count=2)
        await asyncio.sleep(0.1)
        assert inputs(fake) == [["a"]] * 2
        fake.faults.clear()
        assert (await embedder.embed_passages(["b"])).vectors.shape == (1, 1536)
        for one in patient:
            one.cancel()
        await asyncio.wait(patient)


async def test_patient_import_ends_even_where_there_is_one_slot(fake: FakeOpenAI) -> None:
    async with embedder_at(fake, concurrency=1, limits=BatchLimits(texts=1)) as embedder:
        both = [embedder.embed_passages(["a"] * 3, patiently=patiently) for patiently in (True, False)]
        assert [one.vectors.shape for one in await asyncio.gather(*both)] == [(3, 1536)] * 2


async def test_question_does_not_wait_behind_an_import(fake: FakeOpenAI) -> None:
    fake.fail(Fault(path=PATH, hangs=True))
    async with embedder_at(fake, concurrency=1) as embedder:
        importing = asyncio.create_task(embedder.embed_passages(["a"]))
        await fake.journal.arrived(PATH)
        assert (await embedder.embed_query("b")).vectors.shape == (1, 1536)
        importing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await importing


async def test_cancelled_import_leaves_the_server(fake: FakeOpenAI) -> None:
    fake.fail(Fault(path=PATH, hangs=True))
    async with embedder_at(fake) as embedder:
        importing = asyncio.create_task(embedder.embed_passages(["a"]))
        exchange = await fake.journal.arrived(PATH)
        importing.cancel()
        await asyncio.wait([importing])
        async with asyncio.timeout(5):
            await exchange.ended.wait()
    assert exchange.is_disconnected


async def test_nothing_is_embedded_without_a_request(fake: FakeOpenAI) -> None:
    async with embedder_at(fake) as embedder:
        embedded = await embedder.embed_passages([])
    assert embedded.vectors.shape == (0, 1536)
    assert fake.journal.exchanges == []


async def test_prefixes_are_sent_and_change_the_space(fake: FakeOpenAI) -> None:
    async with embedder_at(fake, model="e5", query_prefix="query: ", passage_prefix="passage: ") as embedder:
        await embedder.embed_passages(["a"])
        await embedder.embed_query("b")
        key = embedder.space.key
    assert inputs(fake)[1:] == [["passage: a"], ["query: b"]]
    async with embedder_at(fake, model="e5") as plain:
        assert plain.space.key == "openai-compatible/e5@api:384"
    assert key.startswith("openai-compatible/e5@api-")


async def test_unknown_model_is_probed_once(fake: FakeOpenAI) -> None:
    fake.dimensions["bge-m3"] = 1024
    async with embedder_at(fake, model="bge-m3") as embedder:
        assert embedder.space.dimensions == 1024
    assert len(inputs(fake)) == 1


@pytest.mark.parametrize("settings", [{}, {"model": "own", "dimensions": 256}])
async def test_known_length_needs_no_probe(fake: FakeOpenAI, settings: dict[str, Any]) -> None:
    async with embedder_at(fake, **settings):
        assert fake.journal.exchanges == []


async def test_dimensions_are_sent_only_when_configured(fake: FakeOpenAI) -> None:
    async with embedder_at(fake) as native, embedder_at(fake, dimensions=256) as short:
        await native.embed_query("a")
        assert (await short.embed_query("a")).vectors.shape == (1, 256)
    first, second = fake.journal.to(PATH)
    assert "dimensions" not in first.body
    assert second.body["dimensions"] == 256


def test_space_is_the_same_at_another_host() -> None:
    settings = EmbeddingSettings()
    hosts = ("http://10.0.0.1/v1", "http://10.0.0.2/v1")
    providers = {OpenAISettings(api_key="k", base_url=host).provider for host in hosts}
    assert {space_of(provider, settings, 1536).key for provider in providers} == {
        "openai-compatible/text-embedding-3-small@api:1536"
    }


async def test_other_length_names_both_and_the_model(fake: FakeOpenAI) -> None:
    fake.ignores_dimensions = True
    async with embedder_at(fake, model="bge-m3", dimensions=256) as embedder:
        with pytest.raises(errors.SpaceMismatch, match=r"bge-m3 .* 384.* 256") as raised:
            await embedder.embed_query("a")
    assert raised.value.metadata == {"model": "bge-m3", "returned": "384", "expected": "256"}


async def test_server_that_answers_floats_is_understood(fake: FakeOpenAI) -> None:
    async with embedder_at(fake) as embedder:
        packed = await embedder.embed_query("a b c")
        fake.always_floats = True
        floats = await embedder.embed_query("a b c")
    np.testing.assert_array_equal(packed.vectors, floats.vectors)


async def test_rate_limit_is_waited_out(fake: FakeOpenAI) -> None:
    fake.fail(Fault(path=PATH, status=429, headers={"retry-after-ms": "20"}))
    async with embedder_at(fake, max_retries=1) as embedder:
        assert (await embedder.embed_query("a")).tokens == 1
    assert len(inputs(fake)) == 2


TEMPORARY = [
    Fault(path=PATH, status=429, code="rate_limit_exceeded", headers={"retry-after": "7"}),
    Fault(path=PATH, status=500),
    Fault(path=PATH, status=503, code="server_is_overloaded"),
    Fault(path=PATH, drop=Drop.BEFORE_EFFECT),
    Fault(path=PATH, drop=Drop.AFTER_EFFECT),
    Fault(path=PATH, hangs=True),
]
FINAL = [
    Fault(path=PATH, status=status, kind="invalid_request_error") for status in (400, 401, 403, 404, 413, 422)
] + [
    Fault(path=PATH, status=429, code="insufficient_quota", kind="insufficient_quota"),
    Fault(path=PATH, status=429, code="credit_balance_exhausted"),
]


def described(fault: Fault) -> str:
    return f"{fault.status or fault.drop or 'hang'} {fault.code or ''}".strip()


@pytest.mark.parametrize("fault", TEMPORARY, ids=described)
async def test_temporary_failure_is_unavailable(fake: FakeOpenAI, fault: Fault) -> None:
    fake.fail(replace(fault))
    async with embedder_at(fake, deadline_seconds=0.3) as embedder:
        with pytest.raises(errors.ProviderUnavailable) as raised:
            await embedder.embed_query("a")
    assert raised.value.retry_after_seconds == (7.0 if fault.headers else None)


@pytest.mark.parametrize("fault", FINAL, ids=described)
async def test_final_failure_is_refused_and_names_status_and_code(fake: FakeOpenAI, fault: Fault) -> None:
    fake.fail(replace(fault))
    async with embedder_at(fake) as embedder:
        with pytest.raises(errors.ProviderRefused, match=str(fault.status)) as raised:
            await embedder.embed_passages(["a"])
    assert fault.code is None or fault.code in str(raised.value)


async def test_neither_key_nor_question_stands_in_an_error(fake: FakeOpenAI) -> None:
    fake.fail(Fault(path=PATH, status=422, message=f"key {SECRET} cannot embed {QUESTION!r}", code=SECRET))
    async with embedder_at(fake) as embedder:
        with pytest.raises(errors.ProviderRefused) as raised:
            await embedder.embed_query(QUESTION)
    assert SECRET not in printed(raised.value)
    assert "parcel" not in printed(raised.value)


def printed(error: BaseException) -> str:
    """The error as a log prints it: with its causes, without the frames, whose source lines would match."""
    context = None if error.__suppress_context__ else error.__context__
    earlier = error.__cause__ or context
    return f"{error!r} {printed(earlier) if earlier else ''}"


async def test_first_failure_stops_the_rest_of_an_import(fake: FakeOpenAI) -> None:
    fake.fail(Fault(path=PATH, status=400))
    fake.fail(Fault(path=PATH, hangs=True, times=99))
    async with embedder_at(fake, concurrency=2, limits=BatchLimits(texts=1)) as embedder:
        with pytest.raises(errors.ProviderRefused):
            await embedder.embed_passages(["a"] * 10)
    assert len(inputs(fake)) <= 3


async def test_server_of_another_kind_is_refused() -> None:
    async with running_openai() as fake:
        elsewhere = OpenAISettings(api_key=SECRET, base_url=fake.base_url.removesuffix("/v1"), max_retries=0)
        with pytest.raises(errors.ProviderRefused, match="404"):
            await open_openai_embedder(elsewhere, EmbeddingSettings(model="unknown"))


async def test_no_ambient_variable_is_sent(fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "ambient")
    async with embedder_at(fake) as embedder:
        await embedder.embed_query("a")
    headers = fake.journal.exchanges[0].headers
    assert "ambient" not in str(headers)
    assert headers["Authorization"] == f"Bearer {SECRET}"


async def test_unreachable_server_is_unavailable() -> None:
    async with running_openai() as fake:
        gone = fake.base_url
    access = OpenAISettings(api_key=SECRET, base_url=gone, max_retries=0)
    with pytest.raises(errors.ProviderUnavailable):
        await open_openai_embedder(access, EmbeddingSettings(model="unknown"))
