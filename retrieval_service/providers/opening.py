"""Opens the embedder, the answerers, the summarizer and the retrieval backend that are configured."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from retrieval_service import errors
from retrieval_service.config import Settings
from retrieval_service.domain.indexing.chunking import OPENAI_POLICY, ChunkPolicy
from retrieval_service.providers.local.choosing import open_chosen
from retrieval_service.providers.local.extractive import ExtractiveAnswerer
from retrieval_service.providers.local.extractive_summaries import ExtractiveSummarizer
from retrieval_service.providers.openai.batching import BatchLimits
from retrieval_service.providers.openai.chat.chat_completions import ChatCompletionsAnswerer
from retrieval_service.providers.openai.chat.responses import ResponsesAnswerer, make_types_ready
from retrieval_service.providers.openai.chat.rewriting import ModelRewriter
from retrieval_service.providers.openai.chat.streaming import AnswerSettings, Patience
from retrieval_service.providers.openai.chat.summaries import ModelSummarizer
from retrieval_service.providers.openai.client import OPENAI_URL, OpenAISettings, open_client
from retrieval_service.providers.openai.embeddings import EmbeddingSettings, open_openai_embedder
from retrieval_service.providers.openai.files.file_search import FileSearchAnswerer
from retrieval_service.providers.openai.files.store_settings import StoreSettings
from retrieval_service.providers.openai.files.vector_stores import open_vector_stores
from retrieval_service.providers.ports import (
    Answerer,
    Embedder,
    FileAnswerer,
    RetrievalBackend,
    Rewriter,
    Summarizer,
)

# Room for title and heading beside the chunk, for models with a small window.
WINDOW_SHARE = 0.8
OVERLAP_SHARE = 0.1
EMBEDDERS = ("auto", "local", "openai")
# A question, and what a reasoning model thinks before it.
REWRITING_TOKENS = 400
# Twelve points in Russian, with their markup.
SUMMARY_TOKENS = 2_000


def require_usable(settings: Settings) -> None:
    """Raises `Misconfigured` for settings that are seen to be wrong without opening anything."""
    for one in (settings, *([as_checked_next(settings)] if settings.next_embedder else [])):
        if not is_local(one):
            openai_access(one)
    if not is_extractive(settings):
        openai_access(settings)


async def open_embedder(settings: Settings) -> tuple[Embedder, ChunkPolicy]:
    """The embedder that is configured, and how long its chunks may be."""
    if is_local(settings):
        local = await open_chosen(settings.local_model, settings.local_model_dir)
        return local, local.chunk_policy
    embedder = await open_openai_embedder(
        openai_access(settings),
        EmbeddingSettings(
            model=settings.embedding_model,
            dimensions=settings.embedding_dimensions,
            query_prefix=settings.embedding_query_prefix,
            passage_prefix=settings.embedding_passage_prefix,
            concurrency=settings.embedding_concurrency,
            limits=BatchLimits(texts=settings.embedding_batch),
        ),
    )
    return embedder, policy_for(embedder.space.max_tokens)


async def open_next_embedder(settings: Settings) -> Embedder | None:
    """The embedder that tenants may be moved to; None when none is configured."""
    if not settings.next_embedder:
        return None
    return (await open_embedder(as_checked_next(settings)))[0]


def is_local(settings: Settings) -> bool:
    """Whether the model that comes with us embeds, because it is wanted or because nothing else is configured."""
    if settings.embedder not in EMBEDDERS:
        raise errors.Misconfigured('KLADEZ_EMBEDDER must be "auto", "local" or "openai"')
    return settings.embedder == "local" or (settings.embedder == "auto" and not has_openai(settings))


def as_checked_next(settings: Settings) -> Settings:
    """As `as_next`; raises `Misconfigured` for a next embedder that there is not."""
    if settings.next_embedder not in ("local", "openai"):
        raise errors.Misconfigured('KLADEZ_NEXT_EMBEDDER must be "local" or "openai"')
    return as_next(settings)


def as_next(settings: Settings) -> Settings:
    """The same settings with the next embedder in the place of the configured one."""
    return settings.model_copy(
        update={
            "embedder": settings.next_embedder,
            "embedding_model": settings.next_embedding_model,
            "embedding_dimensions": settings.next_embedding_dimensions,
            "embedding_query_prefix": settings.next_embedding_query_prefix,
            "embedding_passage_prefix": settings.next_embedding_passage_prefix,
            "local_model": settings.next_local_model,
            "openai_api_key": settings.next_openai_api_key or settings.openai_api_key,
            "openai_base_url": settings.next_openai_base_url or settings.openai_base_url,
        }
    )


def policy_for(max_tokens: int) -> ChunkPolicy:
    """800 tokens with 80 of overlap, or less where the model's window is smaller."""
    capacity = round(max_tokens * WINDOW_SHARE)
    if capacity >= OPENAI_POLICY.capacity:
        return OPENAI_POLICY
    return ChunkPolicy(capacity=capacity, overlap=round(capacity * OVERLAP_SHARE), unit=OPENAI_POLICY.unit)


async def open_answerer(settings: Settings) -> Answerer:
    if is_extractive(settings):
        return ExtractiveAnswerer()
    return await open_writer(settings, answer_settings(settings))


async def open_rewriter(settings: Settings) -> Rewriter | None:
    """Of the same kind as the answerer, with a connection of its own; None without a model."""
    if is_extractive(settings):
        return None
    return ModelRewriter(
        await open_writer(settings, replace(answer_settings(settings), max_output_tokens=REWRITING_TOKENS))
    )


async def open_summarizer(settings: Settings) -> Summarizer:
    """Of the same kind as the answerer, with a connection of its own."""
    if is_extractive(settings):
        return ExtractiveSummarizer()
    tokens = max(settings.answer_max_tokens, SUMMARY_TOKENS)
    return ModelSummarizer(
        await open_writer(settings, replace(answer_settings(settings), max_output_tokens=tokens))
    )


def is_extractive(settings: Settings) -> bool:
    """Whether sentences are quoted because no model is configured, or because that is wanted."""
    if settings.answerer not in ("auto", "extractive", "responses", "chat"):
        raise errors.Misconfigured('KLADEZ_ANSWERER must be "auto", "extractive", "responses" or "chat"')
    return settings.answerer == "extractive" or (settings.answerer == "auto" and not has_openai(settings))


async def open_writer(
    settings: Settings, answers: AnswerSettings
) -> ResponsesAnswerer | ChatCompletionsAnswerer:
    access = openai_access(settings)
    client = await asyncio.to_thread(open_client, access)
    if not writes_responses(settings):
        return ChatCompletionsAnswerer(client, answers, provider=access.provider)
    await asyncio.to_thread(make_types_ready)
    return ResponsesAnswerer(client, answers, provider=access.provider)


async def open_file_answerer(settings: Settings) -> FileAnswerer | None:
    """None when answers are not written by the Responses API, which alone searches in files."""
    if not has_openai(settings) or not writes_responses(settings):
        return None
    access = openai_access(settings)
    client = await asyncio.to_thread(open_client, access)
    await asyncio.to_thread(make_types_ready)
    return FileSearchAnswerer(client, answer_settings(settings), provider=access.provider)


def writes_responses(settings: Settings) -> bool:
    """Servers other than OpenAI's own know chat completions; few know responses."""
    is_openai = openai_access(settings).provider == "openai"
    return settings.answerer == "responses" or (settings.answerer == "auto" and is_openai)


def answer_settings(settings: Settings) -> AnswerSettings:
    return AnswerSettings(
        model=settings.answer_model,
        max_output_tokens=settings.answer_max_tokens,
        patience=Patience(silence_seconds=settings.openai_timeout_seconds),
    )


async def open_retrieval_backend(settings: Settings) -> RetrievalBackend | None:
    """None when no provider is configured that could keep documents."""
    if not has_openai(settings):
        return None
    return await open_vector_stores(openai_access(settings), StoreSettings())


def has_openai(settings: Settings) -> bool:
    return settings.openai_api_key is not None or settings.openai_base_url is not None


def openai_access(settings: Settings) -> OpenAISettings:
    """Raises `Misconfigured` when OpenAI is asked for without a key."""
    if not has_openai(settings):
        raise errors.Misconfigured("OPENAI_API_KEY or OPENAI_BASE_URL is not set")
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
    if not key and settings.openai_base_url is None:
        raise errors.Misconfigured("OPENAI_API_KEY is empty")
    return OpenAISettings(
        api_key=key,
        base_url=settings.openai_base_url or OPENAI_URL,
        timeout_seconds=settings.openai_timeout_seconds,
    )
