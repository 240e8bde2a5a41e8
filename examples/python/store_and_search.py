"""Stores a document and searches until it is found, which takes about a second."""

import asyncio
import os
import sys

from kladez.v1 import document_service_pb2 as documents
from kladez.v1 import search_service_pb2 as searches

from retrieval_service.client import CallFailed, Client, connect, tls_from_environment

TRIES = 60


async def main() -> None:
    address, key = os.environ["KLADEZ_ADDRESS"], os.environ["KLADEZ_KEY"]
    lamp = documents.Document(
        source_type="product",
        external_id="lamp-1",
        title="Brass reading lamp",
        content="A reading lamp of brass, 42 cm high, with a shade of green glass.",
    )
    async with connect(address, key, tls=tls_from_environment()) as client:
        try:
            # A repeat with the same external_id changes the document in place of making another.
            stored = await client.upsert_document(documents.UpsertDocumentRequest(document=lamp))
            print("stored", stored.document.document_id)
            print("found", await found(client, "a lamp for reading", stored.document.document_id))
        except CallFailed as error:
            for wrong in error.violations:
                print(f"{wrong.field}: {wrong.description}", file=sys.stderr)
            print(error.code, error.reason, error, file=sys.stderr)
            raise SystemExit(1) from error


async def found(client: Client, query: str, document_id: str) -> str:
    """The title of the document's best passage."""
    for _ in range(TRIES):
        answer = await client.search(searches.SearchRequest(query=query, page_size=3))
        for hit in answer.hits:
            if hit.document_id == document_id:
                return f"{hit.title} ({hit.score:.2f})"
        await asyncio.sleep(0.5)
    raise SystemExit("the document is not indexed yet; `kladez status` says what it waits for")


if __name__ == "__main__":
    asyncio.run(main())
