"""The fake's files, stores and searches, held to the SDK's own types by strict validation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI, DefaultAioHttpClient
from openai.types import (
    StaticFileChunkingStrategyObjectParam,
    StaticFileChunkingStrategyParam,
    VectorStore,
)
from openai.types.responses import FileSearchToolParam
from openai.types.vector_stores.file_batch_create_params import File

from tests.fakes.openai import Drop, FakeOpenAI, Fate, Fault

LAMPS = b"Lamps may be returned. Bulbs may not."
CHAIRS = b"Chairs are made of oak."


@pytest.fixture
async def strict(fake: FakeOpenAI) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key="sk-test",
        base_url=fake.base_url,
        max_retries=0,
        http_client=DefaultAioHttpClient(),
        _strict_response_validation=True,
    ) as client:
        yield client


@pytest.fixture
async def store(strict: AsyncOpenAI) -> VectorStore:
    return await strict.vector_stores.create(name="shop", metadata={"tenant": "t"})


async def uploaded(client: AsyncOpenAI, name: str, content: bytes) -> str:
    return (await client.files.create(file=(name, content), purpose="assistants")).id


async def test_files_live_through_all_their_endpoints(strict: AsyncOpenAI) -> None:
    first, second = await uploaded(strict, "a.md", LAMPS), await uploaded(strict, "b.md", CHAIRS)
    listed = [file.id async for file in strict.files.list(purpose="assistants", limit=1)]
    kept = await strict.files.retrieve(first)
    assert listed == [second, first]
    assert (kept.filename, kept.bytes, kept.purpose) == ("a.md", len(LAMPS), "assistants")
    assert (await strict.files.content(first)).content == LAMPS
    assert (await strict.files.delete(first)).deleted
    with pytest.raises(openai.NotFoundError):
        await strict.files.retrieve(first)


async def test_stores_live_through_all_their_endpoints(strict: AsyncOpenAI, store: VectorStore) -> None:
    other = await strict.vector_stores.create(name="other")
    assert [found.id async for found in strict.vector_stores.list(limit=1)] == [other.id, store.id]
    renamed = await strict.vector_stores.update(store.id, name="new", metadata={"tenant": "u"})
    assert (renamed.name, renamed.metadata) == ("new", {"tenant": "u"})
    assert (await strict.vector_stores.delete(store.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await strict.vector_stores.retrieve(store.id)


async def test_store_files_live_through_all_their_endpoints(strict: AsyncOpenAI, store: VectorStore) -> None:
    file_id = await uploaded(strict, "a.md", LAMPS)
    files = strict.vector_stores.files
    await files.create(store.id, file_id=file_id, attributes={"section": "help"})
    entry = await files.retrieve(file_id, vector_store_id=store.id)
    assert (entry.status, entry.attributes) == ("completed", {"section": "help"})
    await files.update(file_id, vector_store_id=store.id, attributes={"section": "faq"})
    listed = [entry.attributes async for entry in files.list(store.id, filter="completed")]
    read = [part.text async for part in files.content(file_id, vector_store_id=store.id)]
    assert (listed, read) == ([{"section": "faq"}], [LAMPS.decode()])
    assert (await files.delete(file_id, vector_store_id=store.id)).deleted
    assert [entry async for entry in files.list(store.id)] == []
    assert (await strict.files.retrieve(file_id)).id == file_id


async def test_batches_live_through_all_their_endpoints(
    fake: FakeOpenAI, strict: AsyncOpenAI, store: VectorStore
) -> None:
    fake.storage.fates = {"bad": Fate(error_code="invalid_file"), "stuck": Fate(is_stuck=True)}
    ids = [await uploaded(strict, name, LAMPS) for name in ("good.md", "bad.md", "stuck.md")]
    batches = strict.vector_stores.file_batches
    chunking = StaticFileChunkingStrategyObjectParam(
        type="static",
        static=StaticFileChunkingStrategyParam(max_chunk_size_tokens=800, chunk_overlap_tokens=80),
    )
    files = [File(file_id=id_, attributes={"name": id_}, chunking_strategy=chunking) for id_ in ids]
    batch = await batches.create(store.id, files=files)
    answer = await batches.with_raw_response.retrieve(batch.id, vector_store_id=store.id)
    assert answer.headers["openai-poll-after-ms"] == "20"
    counts = answer.parse().file_counts
    assert (counts.completed, counts.failed, counts.in_progress, counts.total) == (1, 1, 1, 3)
    cancelled = await batches.cancel(batch.id, vector_store_id=store.id)
    assert (cancelled.status, cancelled.file_counts.cancelled) == ("completed", 1)
    listed = {file.id: file async for file in batches.list_files(batch.id, vector_store_id=store.id)}
    assert [listed[file_id].status for file_id in ids] == ["completed", "failed", "cancelled"]
    error = listed[ids[1]].last_error
    assert error
    assert error.code == "invalid_file"


async def test_deleted_file_leaves_every_store_but_its_ghost_is_found_for_a_while(
    fake: FakeOpenAI, strict: AsyncOpenAI, store: VectorStore
) -> None:
    file_id = await uploaded(strict, "a.md", LAMPS)
    await strict.vector_stores.files.create(store.id, file_id=file_id)
    fake.storage.delete_lag_seconds = 600
    await strict.files.delete(file_id)
    hits = await strict.vector_stores.search(store.id, query="lamps")
    assert [entry async for entry in strict.vector_stores.files.list(store.id)] == []
    assert [hit.file_id for hit in hits.data] == [file_id]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"type": "eq", "key": "price", "value": 5}, {"a.md"}),
        ({"type": "gte", "key": "price", "value": 6}, {"b.md"}),
        ({"type": "eq", "key": "nothing", "value": "x"}, set()),
        ({"type": "gte", "key": "name", "value": 6}, set()),
        (
            {
                "type": "or",
                "filters": [
                    {"type": "lte", "key": "price", "value": 5},
                    {"type": "ne", "key": "price", "value": 5},
                ],
            },
            {"a.md", "b.md"},
        ),
    ],
)
async def test_filters_are_obeyed(
    strict: AsyncOpenAI, store: VectorStore, filters: dict[str, object], found: set[str]
) -> None:
    for name, price in (("a.md", 5), ("b.md", 9)):
        file_id = await uploaded(strict, name, LAMPS)
        await strict.vector_stores.files.create(
            store.id, file_id=file_id, attributes={"price": price, "name": name}
        )
    page = await strict.vector_stores.search(store.id, query="lamps", filters=filters)
    assert {hit.filename for hit in page.data} == found


async def test_search_is_best_first_and_keeps_limit_and_threshold(
    strict: AsyncOpenAI, store: VectorStore
) -> None:
    for name, content in (("lamps.md", LAMPS), ("chairs.md", CHAIRS)):
        file_id = await uploaded(strict, name, content)
        await strict.vector_stores.files.create(store.id, file_id=file_id)
    search = strict.vector_stores.search
    both = await search(store.id, query="lamps may be returned or made of oak")
    above = await search(store.id, query="chairs are made of oak", ranking_options={"score_threshold": 0.99})
    assert [hit.filename for hit in both.data] == ["lamps.md", "chairs.md"]
    assert [hit.filename for hit in above.data] == ["chairs.md"]
    with pytest.raises(openai.BadRequestError):
        await search(store.id, query="lamps", max_num_results=51)


@pytest.mark.parametrize(
    "file",
    [
        {"attributes": {f"key{number}": 1 for number in range(17)}},
        {"attributes": {"key": "x" * 513}},
        {"attributes": {"k" * 65: "x"}},
        {
            "chunking_strategy": {
                "type": "static",
                "static": {"max_chunk_size_tokens": 90, "chunk_overlap_tokens": 0},
            }
        },
    ],
)
async def test_what_openai_refuses_is_refused(
    strict: AsyncOpenAI, store: VectorStore, file: dict[str, object]
) -> None:
    file_id = await uploaded(strict, "a.md", LAMPS)
    with pytest.raises(openai.BadRequestError):
        await strict.vector_stores.files.create(store.id, file_id=file_id, **file)


async def test_writes_beyond_the_pace_are_refused_with_the_wait(
    fake: FakeOpenAI, strict: AsyncOpenAI, store: VectorStore
) -> None:
    fake.storage.writes_allowed = 1
    file_id = await uploaded(strict, "a.md", LAMPS)
    await strict.vector_stores.files.create(store.id, file_id=file_id)
    with pytest.raises(openai.RateLimitError) as raised:
        await strict.vector_stores.files.create(store.id, file_id=file_id)
    assert 1 <= int(raised.value.response.headers["retry-after"]) <= 60


async def test_slow_file_is_done_in_the_end(
    fake: FakeOpenAI, strict: AsyncOpenAI, store: VectorStore
) -> None:
    fake.storage.fate = Fate(seconds=0.05)
    file_id = await uploaded(strict, "a.md", LAMPS)
    begun = await strict.vector_stores.files.create(store.id, file_id=file_id)
    await asyncio.sleep(0.06)
    ended = await strict.vector_stores.files.retrieve(file_id, vector_store_id=store.id)
    assert (begun.status, ended.status) == ("in_progress", "completed")


async def test_faults_strike_after_those_they_let_through(fake: FakeOpenAI, strict: AsyncOpenAI) -> None:
    fake.fail(Fault(method="POST", path="/v1/files", skips=1, drop=Drop.AFTER_EFFECT))
    await uploaded(strict, "a.md", LAMPS)
    with pytest.raises(openai.APIConnectionError):
        await uploaded(strict, "b.md", LAMPS)
    assert [file.filename async for file in strict.files.list()] == ["b.md", "a.md"]


@pytest.mark.parametrize("streams", [False, True])
async def test_answers_by_file_search_cite_what_was_found(
    strict: AsyncOpenAI, store: VectorStore, streams: bool
) -> None:
    file_id = await uploaded(strict, "a.md", LAMPS)
    await strict.vector_stores.files.create(store.id, file_id=file_id)
    tool = FileSearchToolParam(type="file_search", vector_store_ids=[store.id])
    if streams:
        opened = await strict.responses.create(
            model="m", input="lamps?", tools=[tool], include=["file_search_call.results"], stream=True
        )
        ending = [event async for event in opened][-1]
        assert ending.type == "response.completed"
        response = ending.response
    else:
        response = await strict.responses.create(
            model="m", input="lamps?", tools=[tool], include=["file_search_call.results"]
        )
    call, message = response.output
    assert call.type == "file_search_call"
    assert call.results
    assert message.type == "message"
    part = message.content[0]
    assert part.type == "output_text"
    assert part.text == "Lamps may be returned."
    assert [one.file_id for one in part.annotations if one.type == "file_citation"] == [file_id]
