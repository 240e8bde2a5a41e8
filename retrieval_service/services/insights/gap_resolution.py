"""Turns a group of questions without a good answer into an FAQ entry, and asks again whether that helps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from math import ceil
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.answering.answers import Completed, Question
from retrieval_service.domain.answering.logged import LoggedAnswer
from retrieval_service.domain.documents import templates
from retrieval_service.domain.documents.documents import MAX_TITLE, Draft
from retrieval_service.domain.documents.stored import StoredDocument
from retrieval_service.domain.fragments import UNANSWERED
from retrieval_service.domain.insights.insights import Gap, GapStatus
from retrieval_service.services.answering.answers import Answering
from retrieval_service.services.documents.importing import Importer
from retrieval_service.services.retrieval.backend_choice import Chooser
from retrieval_service.services.retrieval.term_statistics import Weigher
from retrieval_service.stores.chats import gaps
from retrieval_service.stores.database import Database
from retrieval_service.stores.documents import documents
from retrieval_service.stores.sync import remote_documents
from retrieval_service.text.invisible import is_blank

log = structlog.get_logger("kladez.resolving")

LOOK_SECONDS = 0.03


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The answer for a group; blank fields are taken from the group's first question."""

    answer: str
    question: str = ""
    title: str = ""
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What asking again gave. `cites_document` tells whether the new answer rests on the entry."""

    gap: Gap
    document: StoredDocument
    answer: LoggedAnswer
    is_answered: bool
    cites_document: bool


class Resolver:
    """An entry is kept whatever happens after it is stored; a repeat goes on with the same document."""

    def __init__(
        self,
        database: Database,
        importer: Importer,
        answering: Answering,
        weigher: Weigher,
        chooser: Chooser,
        *,
        indexing_seconds: float = 20.0,
    ) -> None:
        self._database = database
        self._importer = importer
        self._answering = answering
        self._weigher = weigher
        self._chooser = chooser
        self._indexing_seconds = indexing_seconds

    async def resolve(self, tenant_id: UUID, gap_id: UUID, entry: Entry) -> Resolution:
        """Raises `NotIndexedYet` when the index is late; the document is kept, and a repeat asks again."""
        gap = await self._gap(tenant_id, gap_id)
        stored, _ = await self._importer.upsert(tenant_id, draft(gap, entry))
        async with self._database.tenant(tenant_id) as scope:
            await gaps.set_document(scope, gap_id, stored.id)
        document = await self._indexed(tenant_id, stored.id)
        answer = await self._ask(tenant_id, gap)
        is_answered = answer.finish_reason not in ("", *UNANSWERED)
        cites = is_answered and str(document.id) in cited_documents(answer)
        await self._settle(tenant_id, gap_id, GapStatus.RESOLVED if cites else GapStatus.OPEN, cites)
        log.info("gap_resolved", tenant_id=str(tenant_id), gap_id=str(gap_id), is_answered=is_answered)
        return Resolution(
            gap=await self._gap(tenant_id, gap_id),
            document=document,
            answer=answer,
            is_answered=is_answered,
            cites_document=cites,
        )

    async def ignore(self, tenant_id: UUID, gap_id: UUID) -> Gap:
        await self._gap(tenant_id, gap_id)
        await self._settle(tenant_id, gap_id, GapStatus.IGNORED, None)
        return await self._gap(tenant_id, gap_id)

    async def _gap(self, tenant_id: UUID, gap_id: UUID) -> Gap:
        async with self._database.tenant(tenant_id) as scope:
            gap = await gaps.get(scope, gap_id)
        if gap is None:
            raise errors.NotFound("there is no such group of questions")
        return gap

    async def _settle(self, tenant_id: UUID, gap_id: UUID, status: GapStatus, answered: bool | None) -> None:
        async with self._database.tenant(tenant_id) as scope:
            await gaps.settle(scope, gap_id, status, is_answered=answered)

    async def _indexed(self, tenant_id: UUID, document_id: UUID) -> StoredDocument:
        """The document once the index has it; what is remembered of the index is forgotten then."""
        for _ in range(ceil(self._indexing_seconds / LOOK_SECONDS)):
            document = await self._document(tenant_id, document_id)
            if await self._is_found(tenant_id, document):
                self._weigher.forget(tenant_id)
                return document
            if document.sync_status == "error":
                raise errors.NotIndexedYet(
                    f"the document is stored, but not indexed: {document.last_sync_error}"
                )
            await asyncio.sleep(LOOK_SECONDS)
        raise errors.NotIndexedYet

    async def _is_found(self, tenant_id: UUID, document: StoredDocument) -> bool:
        """Whether whoever searches for the tenant has the document."""
        if document.sync_status != "synced" or not (await self._chooser.chosen(tenant_id)).is_remote:
            return document.sync_status == "synced"
        async with self._database.tenant(tenant_id) as scope:
            return await remote_documents.is_held(scope, document.id)

    async def _document(self, tenant_id: UUID, document_id: UUID) -> StoredDocument:
        async with self._database.tenant(tenant_id) as scope:
            document = await documents.get(scope, document_id)
        if document is None:
            raise errors.Conflict("the document was deleted at the same moment")
        return document

    async def _ask(self, tenant_id: UUID, gap: Gap) -> LoggedAnswer:
        """The group's own question, on trial: no customer asked it, and a spent day must not hide the new entry."""
        question = Question(text=gap.question, language=gap.language, is_trial=True, is_exempt=True)
        answer = None
        async with aclosing(self._answering.answer(tenant_id, question)) as events:
            async for event in events:
                answer = event.answer if isinstance(event, Completed) else answer
        if answer is None:
            raise errors.Unavailable("the answer to the question ended early")
        return answer


def draft(gap: Gap, entry: Entry) -> Draft:
    """The same document however often the group is resolved."""
    question = " ".join((gap.question if is_blank(entry.question) else entry.question).split())
    language = entry.language or gap.language
    return Draft(
        source_type="faq",
        external_id=f"gap-{gap.id}",
        title=(question if is_blank(entry.title) else entry.title)[:MAX_TITLE],
        content=templates.render_faq(question=question, answer=entry.answer.strip(), language=language),
        language=language,
    )


def cited_documents(answer: LoggedAnswer) -> Sequence[str]:
    """The documents that the answer's citations point to; all it was made from when it has none."""
    numbers = {number for cited in answer.citations for number in cited.numbers}
    return [one.document_id for one in answer.references if not numbers or one.number in numbers]
