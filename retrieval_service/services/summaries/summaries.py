"""Summarises what a search finds: by the model, and by quotation when the model fails or breaks the form."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.answering import phrases
from retrieval_service.domain.answering.answers import MODEL_AWAY, Reference
from retrieval_service.domain.fragments import Ending, FinishReason, Fragment, Prompt
from retrieval_service.domain.summaries.blocks import MOST_BLOCKS, limited
from retrieval_service.domain.summaries.html import write_summary
from retrieval_service.domain.summaries.shape import filled, is_short, read_draft
from retrieval_service.domain.summaries.summaries import Draft, Flavour, Summary
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.domain.tenants.tenants import Tenant
from retrieval_service.domain.usage import Usage
from retrieval_service.providers.ports import Summarizer
from retrieval_service.services.answering.writing import language_of
from retrieval_service.services.retrieval.circuit_breaker import Breaker
from retrieval_service.services.retrieval.context_expansion import as_found
from retrieval_service.services.retrieval.references import shown
from retrieval_service.services.retrieval.retriever import Retriever
from retrieval_service.services.retrieval.search import Hit, Mode, Query
from retrieval_service.services.usage import Meter
from retrieval_service.stores.database import Database
from retrieval_service.stores.tenants import tenants

log = structlog.get_logger("kladez.summarizing")

NOTHING_SAID = Ending(finish_reason=FinishReason.NO_RELEVANT_CONTENT)
NO_FORM = "the model's summary did not keep the form"
NO_SUMMARY = "the model wrote no summary"
NO_MODEL = MODEL_AWAY


@dataclass(frozen=True, kw_only=True)
class Request:
    """`language` is "" for the question's own; the query's limit does not count."""

    query: Query
    flavour: Flavour = Flavour.WEB
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class Summarized:
    """`references` are the passages of the summary by number, with `hits` in step; none when nothing was found."""

    html: str
    language: str
    mode: Mode
    references: Sequence[Reference]
    hits: Sequence[Hit]
    summarizer: str
    ending: Ending
    degraded_reason: str


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A summary in form, None when there is nothing to say; `reason` tells why the model's own is not it."""

    summary: Summary | None = None
    summarizer: str = ""
    ending: Ending = NOTHING_SAID
    reason: str = ""


class Summarizing:
    """`model_seconds` is what the model has in all; `fallback` needs no model."""

    def __init__(
        self,
        database: Database,
        retriever: Retriever,
        summarizer: Summarizer,
        fallback: Summarizer,
        meter: Meter,
        breaker: Breaker,
        *,
        model_seconds: float,
    ) -> None:
        self._database = database
        self._retriever = retriever
        self._summarizer = summarizer
        self._fallback = fallback
        self._meter = meter
        self._breaker = breaker
        self._model_seconds = model_seconds

    async def summarize(self, tenant_id: UUID, request: Request) -> Summarized:
        """Never fails for want of a model; without anything relevant no model is asked."""
        tenant = await self._tenant(tenant_id)
        query = request.query
        found = await self._retriever.search(tenant_id, query)
        sifted = await self._retriever.relevant(tenant_id, found, query.text, most=MOST_BLOCKS)
        relevant = sifted.hits[:MOST_BLOCKS] if sifted.answers else ()
        language = request.language or found.language or language_of(query.text, tenant, relevant)
        what = await asyncio.to_thread(shown, as_found(relevant), tenant)
        fragments = await asyncio.to_thread(limited, what.fragments)
        asked = replace(prompt(query.text, language, tenant, fragments), read_as=found.read_as)
        written = await self._write(asked) if asked.fragments else _Written()
        self._count(tenant_id, written.ending)
        given = relevant[: len(asked.fragments)] if written.summary else []
        return Summarized(
            html=await asyncio.to_thread(html_of, written.summary, asked, request.flavour),
            language=language,
            mode=found.mode,
            references=what.references[: len(given)],
            hits=given,
            summarizer=written.summarizer,
            ending=written.ending,
            degraded_reason="; ".join(filter(None, (found.degraded_reason, written.reason))),
        )

    async def _tenant(self, tenant_id: UUID) -> Tenant:
        async with self._database.tenant(tenant_id) as scope:
            tenant = await tenants.get(scope.connection, tenant_id)
        if tenant is None or tenant.deleted_at is not None:
            raise errors.NotFound("there is no such tenant")
        return tenant

    async def _write(self, asked: Prompt) -> _Written:
        draft, reason = await self._drafted(asked)
        summary = await asyncio.to_thread(read_draft, draft, asked) if draft else None
        if draft and summary:
            filled_up = await self._filled(summary, asked)
            return _Written(summary=filled_up, summarizer=self._summarizer.name, ending=draft.ending)
        if self._summarizer.name == self._fallback.name:
            return _Written()
        if draft:
            reason = NO_FORM if draft.html.strip() else NO_SUMMARY
        return await self._quoted(asked, reason, draft)

    async def _drafted(self, asked: Prompt) -> tuple[Draft | None, str]:
        """What the model wrote, or why it wrote nothing."""
        try:
            async with self._breaker.call(self._model_seconds):
                return await self._summarizer.summarize(asked), ""
        except (errors.ProviderUnavailable, errors.ProviderRefused) as error:
            log.warning("summary_degraded", error=str(error))
            return None, NO_MODEL

    async def _filled(self, summary: Summary, asked: Prompt) -> Summary:
        """A model that is too brief is helped out by quotations."""
        if not is_short(summary) or self._summarizer.name == self._fallback.name:
            return summary
        spare = await asyncio.to_thread(read_draft, await self._fallback.summarize(asked), asked)
        return filled(summary, spare.points, asked.language) if spare else summary

    async def _quoted(self, asked: Prompt, reason: str, paid: Draft | None) -> _Written:
        """What the model used is paid for, also when nothing came of it."""
        draft = await self._fallback.summarize(asked)
        summary = await asyncio.to_thread(read_draft, draft, asked)
        name = self._fallback.name if summary else ""
        ending = paid.ending if paid else draft.ending
        return _Written(summary=summary, summarizer=name, ending=ending, reason=reason)

    def _count(self, tenant_id: UUID, ending: Ending) -> None:
        amounts = Usage(searches=1, input_tokens=ending.input_tokens, output_tokens=ending.output_tokens)
        self._meter.count_answer(tenant_id, self._summarizer.name, amounts)


def html_of(summary: Summary | None, asked: Prompt, flavour: Flavour) -> str:
    """Without a summary the honest sentence that nothing was found, with the contact."""
    if summary:
        return write_summary(summary, asked, flavour)
    text = phrases.not_found_text(asked.language, asked.shop_name, asked.fallback_contact)
    escaped = html.escape(text, quote=False)
    return escaped if flavour is Flavour.TELEGRAM else f"<p>{escaped}</p>"


def prompt(question: str, language: str, tenant: Tenant, fragments: tuple[Fragment, ...]) -> Prompt:
    settings = TenantSettings.from_json(tenant.settings)
    return Prompt(
        question=question,
        language=language,
        shop_name=tenant.name,
        fallback_contact=settings.fallback_contact,
        instructions=settings.system_prompt,
        fragments=fragments,
        link_domains=settings.allowed_link_domains,
    )
