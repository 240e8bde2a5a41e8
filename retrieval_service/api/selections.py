"""Reads which documents a request selects, and writes the result."""

from __future__ import annotations

from uuid import UUID

from kladez.v1 import document_service_pb2 as pb

from retrieval_service.api import fields
from retrieval_service.domain.documents.documents import MAX_SECTION, MAX_TAG
from retrieval_service.domain.retrieval.filters import Conditions, Selection

MAX_IDS = 500


def selection(selector: pb.DocumentSelector, *, deleted_too: bool = False) -> Selection:
    """Refuses a selection of all documents of the tenant."""
    kind = selector.WhichOneof("selector")
    if kind is None:
        raise fields.refuse("selector", "ids, filter, section or tag is required")
    if kind == "ids":
        return Selection(ids=document_ids(selector.ids), deleted_too=deleted_too)
    chosen = Selection(conditions=conditions(selector, kind), deleted_too=deleted_too)
    if chosen.empty:
        raise fields.refuse("selector.filter", "must have at least one condition")
    return chosen


def conditions(selector: pb.DocumentSelector, kind: str) -> Conditions:
    if kind == "section":
        return Conditions(sections=[fields.text("selector.section", selector.section, limit=MAX_SECTION)])
    if kind == "tag":
        return Conditions(tags=[fields.text("selector.tag", selector.tag, limit=MAX_TAG)])
    return fields.conditions(selector.filter)


def document_ids(named: pb.DocumentIds) -> list[UUID]:
    if not 1 <= len(named.document_ids) <= MAX_IDS:
        raise fields.refuse("selector.ids", f"must be 1-{MAX_IDS}, are {len(named.document_ids):,}")
    return [fields.uuid("selector.ids.document_ids", value) for value in named.document_ids]


def purged(request: pb.PurgeDocumentsRequest) -> Selection:
    """Selects deleted documents, or the selected ones whether deleted or not."""
    if request.WhichOneof("documents") == "selector":
        return selection(request.selector, deleted_too=True)
    if not request.deleted:
        raise fields.refuse("documents", "selector, or deleted as true, is required")
    return Selection(deleted_only=True)
