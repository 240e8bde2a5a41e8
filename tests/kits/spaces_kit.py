"""A tenant with two embedding spaces whose vectors can be told apart, on one fake embeddings server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import space_service_pb2 as pb
from pydantic import SecretStr

from retrieval_service.client import Client
from retrieval_service.domain.indexing.hashing import embedding_text
from tests.fakes.openai.bags import bag_of_words
from tests.fakes.openai.fake import FakeOpenAI
from tests.kits.service_kit import Running, Shop

OLD, NEXT = 64, 96
SEARCHES_PER_SECOND = 20
HALF_PRECISION = 2e-3


def old_alone(fake: FakeOpenAI) -> dict[str, Any]:
    """Settings with one embedder."""
    return {
        "embedder": "openai",
        "openai_api_key": SecretStr("test"),
        "openai_base_url": fake.base_url,
        "embedding_dimensions": OLD,
    }


def with_next(fake: FakeOpenAI) -> dict[str, Any]:
    """Settings with a second embedder beside the first."""
    return {**old_alone(fake), "next_embedder": "openai", "next_embedding_dimensions": NEXT}


def next_alone(fake: FakeOpenAI) -> dict[str, Any]:
    """Settings in which the second embedder has taken the first one's place."""
    return {**old_alone(fake), "embedding_dimensions": NEXT}


def text_of(number: int) -> str:
    return f"Tea number {number} comes from garden{number % 40} and costs {number} coins, brewed{number % 7}."


async def put(shop: Shop, first: int, count: int) -> None:
    """Stores documents of one chunk each."""
    batch = [
        documents_pb.Document(
            source_type="article", external_id=str(number), content=text_of(number), language="en"
        )
        for number in range(first, first + count)
    ]
    await shop.client.batch_upsert_documents(documents_pb.BatchUpsertDocumentsRequest(documents=batch))


def operator_of(running: Running, shop: Shop) -> Client:
    return running.client.for_tenant(shop.tenant_id)


async def space_of(operator: Client, dimensions: int) -> pb.Space:
    response = await operator.list_spaces(pb.ListSpacesRequest())
    return next(space for space in response.spaces if space.key.endswith(f":{dimensions}"))


async def until_filled(operator: Client, dimensions: int) -> pb.Space:
    async with asyncio.timeout(30):
        while (space := await space_of(operator, dimensions)).state == pb.SPACE_STATE_FILLING:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return space


def similarity(question: str, hit: search_pb.SearchHit, dimensions: int) -> float:
    """What the fake's vectors of this length give."""
    one = bag_of_words(question, dimensions)
    other = bag_of_words(embedding_text(hit.title, hit.heading, hit.text), dimensions)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def spaces_told(question: str, response: search_pb.SearchResponse) -> set[int]:
    """The spaces that every similarity of the reply fits to."""
    return {
        dimensions
        for dimensions in (OLD, NEXT)
        if all(
            abs(hit.similarity - similarity(question, hit, dimensions)) < HALF_PRECISION
            for hit in response.hits
        )
    }


@dataclass(kw_only=True)
class Seen:
    """What a steady stream of searches met, in order."""

    spaces: list[set[int]] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    empty: int = 0


@asynccontextmanager
async def steadily_searching(shop: Shop) -> AsyncIterator[Seen]:
    """Twenty searches a second for as long as the block runs, never the same question; a failed one fails it."""
    seen, ended = Seen(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_send(shop, seen, ended, group))
        try:
            yield seen
        finally:
            ended.set()


async def _send(shop: Shop, seen: Seen, ended: asyncio.Event, group: asyncio.TaskGroup) -> None:
    number = 0
    while not ended.is_set():
        group.create_task(_search(shop, seen, f"Which tea comes from garden{number % 40} and why{number}?"))
        number += 1
        await asyncio.sleep(1 / SEARCHES_PER_SECOND)


async def _search(shop: Shop, seen: Seen, question: str) -> None:
    response = await shop.client.search(search_pb.SearchRequest(query=question, page_size=10))
    seen.spaces.append(spaces_told(question, response))
    seen.empty += not response.hits
    if response.degraded_reason:
        seen.degraded.append(response.degraded_reason)
