"""What the services ask of a provider: vectors for texts, words for a prompt, a search of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from retrieval_service.domain.answering.conversation import Reworded
from retrieval_service.domain.fragments import AnswerPart, Prompt, Turn
from retrieval_service.domain.indexing.spaces import Embedded, Space
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.retrieval.query_readings import Familiarity
from retrieval_service.domain.summaries.summaries import Draft
from retrieval_service.domain.sync.remote_files import (
    FileAnswerPart,
    FileForm,
    FileSearch,
    FoundFiles,
    RemoteDocument,
    Replaced,
    Replacement,
    StoreFile,
    UploadedFile,
    Watch,
)


class Embedder(Protocol):
    """Turns texts into vectors of one space; raises `errors.ProviderUnavailable` or `errors.ProviderRefused`."""

    @property
    def space(self) -> Space: ...

    async def embed_passages(self, texts: Sequence[str], *, patiently: bool = False) -> Embedded:
        """Any number of non-empty texts; rows come back in the same order.

        Patient calls give way to all others, and always leave them a place.
        """
        ...

    async def embed_query(self, text: str) -> Embedded:
        """One row."""
        ...

    async def embed_queries(self, texts: Sequence[str]) -> Embedded:
        """Any number of questions that no person waits for, as `embed_query` embeds each; rows in the same order."""
        ...

    def familiarity(self, word: str) -> Familiarity:
        """What its vocabulary has to do with a word in lower case, in microseconds."""
        ...

    async def close(self) -> None: ...


class Answerer(Protocol):
    """Writes an answer from fragments; `name` is what the chat log keeps, for example `openai/gpt-5.4-mini`."""

    @property
    def name(self) -> str: ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[AnswerPart, None]:
        """Text parts, then exactly one `Ending`; closing the iterator stops the model call at once."""
        ...

    async def close(self) -> None: ...


class Rewriter(Protocol):
    """Writes a question anew that only its conversation explains.

    Raises `errors.ProviderUnavailable` or `errors.ProviderRefused`.
    """

    async def rewrite(self, question: str, history: Sequence[Turn], language: str) -> Reworded:
        """`history` is oldest first; an empty text when the model wrote none."""
        ...

    async def close(self) -> None: ...


class Summarizer(Protocol):
    """Writes a summary of fragments as HTML that nobody has checked; `name` is as an answerer's.

    Raises `errors.ProviderUnavailable` or `errors.ProviderRefused`.
    """

    @property
    def name(self) -> str: ...

    async def summarize(self, prompt: Prompt) -> Draft: ...

    async def close(self) -> None: ...


class RetrievalBackend(Protocol):
    """Keeps documents as files in stores and searches them; a store belongs to one tenant.

    The id of a request is what the provider calls it, empty when it does not say. Raises
    `errors.ProviderUnavailable` or `errors.ProviderRefused`. What has been removed may be found for a short
    while, and filters may let too much pass, so whoever answers with hits checks them first.
    """

    async def ensure_store(self, name: str, metadata: Mapping[str, str]) -> str:
        """The id of the store with this name and metadata, which is created when there is none."""
        ...

    async def store_metadata(self, store_id: str) -> Mapping[str, str] | None:
        """None for a store that the provider does not have, or that has expired."""
        ...

    async def has_store(self, store_id: str) -> bool:
        """False for a store that the provider has deleted, or that has expired."""
        ...

    async def delete_store(self, store_id: str) -> None:
        """Leaves the files at the provider: remove them first."""
        ...

    async def replace(
        self, store_id: str, replacements: Sequence[Replacement], watch: Watch | None = None
    ) -> tuple[Replaced, ...]:
        """Each old file serves until its successor is ready; raises only when no more document could succeed.

        The watch is told of successes before the last file has ended; they are in the result all the same.
        """
        ...

    async def update_attributes(self, store_id: str, file_id: str, document: RemoteDocument) -> str:
        """For a document that changed in all but its text: nothing is processed anew. Returns the request's id."""
        ...

    async def remove(self, store_id: str, file_id: str) -> str:
        """From the store and from the provider; a file that is gone is fine. Returns the request's id."""
        ...

    async def detach(self, store_id: str, file_id: str) -> None:
        """From the store only; a file that is gone is fine."""
        ...

    def form_of(self, document: RemoteDocument) -> FileForm:
        """What the document's file would be; slow for long ones: call it in a thread."""
        ...

    async def list_files(self, store_id: str) -> tuple[StoreFile, ...]:
        """Everything in the store, also what is not ours."""
        ...

    async def list_uploads(self) -> tuple[UploadedFile, ...]:
        """Our files of all tenants, in a store or not."""
        ...

    async def search(
        self, store_id: str, query: str, conditions: Conditions, *, limit: int, threshold: float = 0.0
    ) -> FoundFiles:
        """At most 50 hits, best first; several may be of one document."""
        ...

    async def close(self) -> None: ...


class FileAnswerer(Protocol):
    """Writes answers from files that the provider finds by itself; the prompt's fragments are not used."""

    @property
    def name(self) -> str: ...

    def stream(self, prompt: Prompt, where: FileSearch) -> AsyncGenerator[FileAnswerPart, None]:
        """`FoundFiles` after each search, text parts, citations, then exactly one `Ending`."""
        ...

    async def close(self) -> None: ...
