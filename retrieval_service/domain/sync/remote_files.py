"""What a retrieval provider is given of our documents, and what it says of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

from retrieval_service.domain.fragments import Ending, Judged, TextPart
from retrieval_service.domain.retrieval.filters import Conditions

AttributeValue: TypeAlias = "str | float | bool"
Attributes: TypeAlias = Mapping[str, AttributeValue]


@dataclass(frozen=True, kw_only=True)
class RemoteDocument:
    """A document as the provider gets it; `text` is plain or Markdown and never empty."""

    tenant_id: UUID
    document_id: UUID
    source_type: str
    title: str
    section: str
    tags: Sequence[str]
    language: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Original:
    """A document as the database has it, with all that its remote copy is made of.

    `ancestors` are the titles of the documents above it, root first, without those that are deleted. While it
    `is_unsettled`, the provider may hold files of it that nobody has written down.
    """

    tenant_id: UUID
    id: UUID
    version: int
    source_type: str
    title: str
    section: str
    tags: Sequence[str]
    content: str
    content_type: str
    language: str
    metadata: Mapping[str, Any]
    is_deleted: bool
    is_unsettled: bool
    ancestors: Sequence[str] = ()


class FileState(StrEnum):
    """How far a file has come; IN_PROGRESS is what remains when the deadline passes."""

    COMPLETED = "completed"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"


@dataclass(frozen=True, kw_only=True)
class FileOutcome:
    """What became of an attached file; `code` is the provider's, `message` ours, both empty when it is well.

    `request_id` is what the provider calls the request that attached it, or the one that failed.
    """

    file_id: str
    state: FileState
    code: str = ""
    message: str = ""
    is_retryable: bool = False
    retry_after_seconds: float | None = None
    request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """A document to hold instead of `old_file_id`, which is empty for a new one.

    `is_repeated` says that an earlier attempt failed: what it may have left behind is looked for first, and
    taken if it is the same, but for `doomed` files, which others may be removing at this moment.
    """

    document: RemoteDocument
    old_file_id: str = ""
    is_repeated: bool = False
    doomed: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """How a replacement ended; `file_id` is the file that stands for the document now, empty for none.

    `leftovers` are files that must go and may still be there: remove them later.
    """

    document_id: UUID
    file_id: str
    outcome: FileOutcome
    leftovers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Is told while documents are replaced: of each success at once, and of every moment spent on slow files only."""

    succeeded: Callable[[Replaced], Awaitable[None]]
    is_waiting: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class FileForm:
    """What of a document shows in the listings of a provider; `revision` tells the content."""

    revision: str
    attributes: Attributes


@dataclass(frozen=True, kw_only=True)
class StoreFile:
    """A file of a store; without `document_id` it is not one of ours. `revision` tells its content."""

    file_id: str
    document_id: UUID | None
    revision: str
    state: FileState
    attributes: Attributes


@dataclass(frozen=True, kw_only=True)
class UploadedFile:
    """A file of ours at the provider, in a store or in none; `revision` tells its content."""

    file_id: str
    document_id: UUID
    revision: str


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A piece of a document that was found; `score` is in [0, 1]."""

    file_id: str
    document_id: UUID
    score: float
    text: str
    attributes: Attributes


@dataclass(frozen=True, kw_only=True)
class FoundFiles:
    """Best first. They may include what was deleted a moment ago, and what only a full check excludes.

    `unspoken` names the conditions that the provider could not be told at all.
    """

    hits: tuple[Hit, ...]
    unspoken: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FileSearch:
    """Where an answer may look: at most two stores, and what of them."""

    store_ids: Sequence[str]
    conditions: Conditions = field(default_factory=Conditions)
    limit: int = 5
    threshold: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FileCited:
    """A citation at `offset` code points into the answer; `quote` is the found text, empty if none is known."""

    file_id: str
    document_id: UUID
    offset: int
    quote: str


FileAnswerPart = FoundFiles | Judged | TextPart | FileCited | Ending
