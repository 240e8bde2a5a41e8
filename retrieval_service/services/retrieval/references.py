"""Numbers hits as the fragments of an answer, and shows them to readers as references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from retrieval_service.domain.answering.logged import Reference
from retrieval_service.domain.documents.entries import FAQ, PRODUCT, Entry, Field, fields_of
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.quotation.snippets import snippet as snippet_of
from retrieval_service.domain.safe_text.dead_text import deadened
from retrieval_service.domain.safe_text.links import LinkPolicy
from retrieval_service.domain.safe_text.trust import SourceTrust
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.domain.tenants.tenants import Tenant
from retrieval_service.services.retrieval.context_expansion import Widened
from retrieval_service.services.retrieval.search import Hit
from retrieval_service.stores.retrieval.passages import Passage
from retrieval_service.text.invisible import without_invisible

# Titles and texts of passages: the same ones are found again and again.
_CACHED_TEXTS = 2_048


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The fragments of an answer, and the references with the same numbers."""

    fragments: tuple[Fragment, ...]
    references: Sequence[Reference]


def shown(found: Sequence[Widened], tenant: Tenant) -> Shown:
    fragments = fragments_of(found, tenant)
    return Shown(fragments=fragments, references=references_of(found, fragments, tenant))


def fragments_of(found: Sequence[Widened], tenant: Tenant) -> tuple[Fragment, ...]:
    trust = TenantSettings.from_json(tenant.settings).source_trust
    return numbered([one.widened for one in found], trust)


def references_of(
    found: Sequence[Widened], fragments: Sequence[Fragment], tenant: Tenant
) -> Sequence[Reference]:
    """A reader is shown the passage that was found. Nothing of what strangers wrote is a link in it."""
    settings = TenantSettings.from_json(tenant.settings)
    own_words = (settings.fallback_contact, tenant.name, settings.system_prompt)
    policy = LinkPolicy(fragments, allowed_domains=settings.allowed_link_domains, trusted=own_words)
    return [reference(one, its.hit, policy) for one, its in zip(fragments, found, strict=True)]


def numbered(hits: Sequence[Hit], trust: SourceTrust | None = None) -> tuple[Fragment, ...]:
    """The numbered fragments. Without `trust` they are for weighing only, and are not shown."""
    trust = trust or SourceTrust()
    return tuple(
        Fragment(
            number=number,
            document_id=str(hit.passage.document_id),
            chunk_id=str(hit.passage.chunk_id),
            title=_visible(hit.passage.title),
            url=trust.url_of(hit.passage.source_type, hit.passage.url),
            heading=_visible(hit.passage.heading),
            text=_visible(hit.passage.text),
            fields=stored_fields(hit.passage),
            language=hit.passage.language,
            score=hit.score,
            is_trusted=trust.trusts(hit.passage.source_type),
        )
        for number, hit in enumerate(hits, start=1)
    )


def reference(fragment: Fragment, hit: Hit, policy: LinkPolicy) -> Reference:
    words = (fragment.title, snippet_of(_visible(hit.passage.text), entry_of(hit.passage)))
    title, snippet = words if fragment.is_trusted else (deadened(one, policy) for one in words)
    return Reference(
        number=fragment.number,
        document_id=fragment.document_id,
        chunk_id=fragment.chunk_id,
        source_type=hit.passage.source_type,
        external_id=hit.passage.external_id,
        title=title,
        url=fragment.url,
        snippet=snippet,
        score=fragment.score,
    )


@lru_cache(maxsize=_CACHED_TEXTS)
def _visible(text: str) -> str:
    return without_invisible(text)


def stored_fields(passage: Passage) -> tuple[Field, ...]:
    """Of a product or a question with its answer; other texts have none."""
    if passage.source_type not in {PRODUCT, FAQ}:
        return ()
    return fields_of(entry_of(passage), _visible(passage.text))


def entry_of(passage: Passage) -> Entry:
    return Entry(
        source_type=passage.source_type,
        title=_visible(passage.title),
        section=passage.section,
        tags=tuple(passage.tags),
        language=passage.language,
        metadata=passage.metadata,
    )
