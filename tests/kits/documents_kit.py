"""Documents as a shop stores them over the wire, and what is read back of them."""

from __future__ import annotations

from typing import Any

from kladez.v1 import document_service_pb2 as pb

from tests.kits.service_kit import Shop

TEXT = "Assam is a strong black tea for the morning."


def document(external_id: str, **fields: object) -> pb.Document:
    return pb.Document(**{"source_type": "article", "external_id": external_id, "content": TEXT, **fields})


async def got(shop: Shop, external_id: str, source_type: str = "article") -> pb.Document:
    key = pb.DocumentKey(source_type=source_type, external_id=external_id)
    return (await shop.client.get_document(pb.GetDocumentRequest(key=key))).document


async def listed(shop: Shop, **conditions: Any) -> list[str]:
    """External ids of all pages, two documents a page."""
    request = pb.ListDocumentsRequest(page_size=2, **conditions)
    found: list[str] = []
    while True:
        page = await shop.client.list_documents(request)
        assert len(page.documents) <= 2
        found += [one.external_id for one in page.documents]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token
