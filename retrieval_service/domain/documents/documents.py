"""A document as a caller gives it: what is allowed in it, and when two of them say the same."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import TypeAlias
from urllib.parse import urlsplit

from retrieval_service.domain.documents.stored import DocumentKey
from retrieval_service.errors import Violation
from retrieval_service.text import exact_json
from retrieval_service.text.invisible import is_blank

# Numbers as `exact_json` reads them.
JsonValue: TypeAlias = (
    "bool | int | float | Decimal | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)

CONTENT_TYPES = ("text/plain", "text/markdown", "text/html")
MAX_EXTERNAL_ID = 256
MAX_TITLE = 500
MAX_SECTION = 200
MAX_TAGS = 50
MAX_TAG = 100
MAX_URL = 2_000
MAX_CONTENT_BYTES = 1024 * 1024
MAX_METADATA_BYTES = 16 * 1024
# Postgres and protobuf both refuse JSON that is nested too deeply; people never get this far.
MAX_METADATA_DEPTH = 32
# So many are named; a document may have a fault in each of a million numbers.
MAX_METADATA_FAULTS = 20

_SOURCE_TYPE = re.compile(r"[a-z0-9_-]{1,64}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Browsers skip tabs and line ends inside an address and read "\" as "/".
_UNSAFE_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
# Changes whenever the hashed form changes, so that old hashes never match by accident.
_HASH_DOMAIN = b"kladez document 1\n"


class RefusedMetadata(dict[str, JsonValue]):
    """Stands for metadata that could not be read; `faults` say why."""

    def __init__(self, faults: Sequence[Violation]) -> None:
        super().__init__()
        self.faults = tuple(faults)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A document before it is stored; (source_type, external_id) is its identity within a tenant.

    `parent_key` names the document above it. `document_id` and `etag` tell which document, and which state of it, the
    sender has seen; both may be empty, and neither is part of what is stored.
    """

    source_type: str
    external_id: str
    title: str = ""
    section: str = ""
    tags: tuple[str, ...] = ()
    content: str
    content_type: str = "text/plain"
    language: str = ""
    url: str = ""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    parent_key: DocumentKey | None = None
    document_id: str = ""
    etag: str = ""

    @property
    def key(self) -> DocumentKey:
        return DocumentKey(source_type=self.source_type, external_id=self.external_id)


def check(draft: Draft, *, most_bytes: int = MAX_CONTENT_BYTES) -> list[Violation]:
    """Everything that forbids storing the draft, field by field; empty when it is fine."""
    return [
        *_check_source_type(draft.source_type),
        *_check_text("external_id", draft.external_id, MAX_EXTERNAL_ID, required=True),
        *_check_text("title", draft.title, MAX_TITLE),
        *_check_text("section", draft.section, MAX_SECTION),
        *_check_tags(draft.tags),
        *_check_content(draft.content, most_bytes),
        *_check_content_type(draft.content_type),
        *_check_language(draft.language),
        *_check_url(draft.url),
        *_check_metadata(draft.metadata),
        *_check_parent(draft),
        *_check_etag(draft.etag),
    ]


def content_hash(draft: Draft) -> bytes:
    """SHA-256 over all but the identity; the order of tags and keys does not count, 1 is 1.0."""
    canonical = [
        draft.title,
        draft.section,
        sorted(set(draft.tags)),
        draft.content,
        draft.content_type,
        draft.language,
        draft.url,
        _canonical(draft.metadata),
        # Only where there is one, so that hashes from before there were parents still match.
        *([draft.parent_key.source_type, draft.parent_key.external_id] if draft.parent_key else []),
    ]
    encoded = exact_json.dumps(canonical, sort_keys=True, ascii_only=True, separators=(",", ":"))
    return hashlib.sha256(_HASH_DOMAIN + encoded.encode("ascii")).digest()


def faults_of_metadata(metadata: Mapping[str, JsonValue], name: str) -> list[Violation]:
    """Values and keys that cannot be stored, by their paths below `name`; the first ones of many."""
    return list(islice(_metadata_faults(name, metadata), MAX_METADATA_FAULTS))


def check_characters(name: str, text: str) -> Iterator[Violation]:
    """The characters that no text field may hold, because Postgres cannot store them."""
    if "\0" in text:
        yield Violation(name, "must not contain the character NUL (U+0000)")
    if _SURROGATE.search(text):
        yield Violation(name, "must not contain half of a surrogate pair")


def _check_source_type(source_type: str) -> Iterator[Violation]:
    if not _SOURCE_TYPE.fullmatch(source_type):
        yield Violation("source_type", "must be 1-64 characters of a-z, 0-9, _ and -")


def _check_text(name: str, text: str, limit: int, *, required: bool = False) -> Iterator[Violation]:
    if required and is_blank(text):
        yield Violation(name, "is required")
    if len(text) > limit:
        yield Violation(name, f"must be at most {limit:,} characters, is {len(text):,}")
    yield from check_characters(name, text)


def _check_tags(tags: Sequence[str]) -> Iterator[Violation]:
    if len(tags) > MAX_TAGS:
        yield Violation("tags", f"must be at most {MAX_TAGS}, are {len(tags):,}")
    for position, tag in enumerate(tags[:MAX_TAGS]):
        yield from _check_text(f"tags[{position}]", tag, MAX_TAG, required=True)


def oversized(size: int, most_bytes: int) -> Violation:
    """What is wrong with a content of that size."""
    return Violation("content", f"must be at most {most_bytes:,} bytes of UTF-8, is {size:,}")


def too_many_passages(count: int, most: int) -> Violation:
    """What is wrong with a content that is cut into so many."""
    return Violation("content", f"must be cut into at most {most:,} passages, is cut into {count:,}")


def _check_content(content: str, most_bytes: int) -> Iterator[Violation]:
    if is_blank(content):
        yield Violation("content", "is required")
    size = len(content.encode("utf-8", "surrogatepass"))
    if size > most_bytes:
        yield oversized(size, most_bytes)
    yield from check_characters("content", content)


def _check_content_type(content_type: str) -> Iterator[Violation]:
    if content_type not in CONTENT_TYPES:
        yield Violation("content_type", f"must be one of {', '.join(CONTENT_TYPES)}")


def _check_language(language: str) -> Iterator[Violation]:
    if language and not _LANGUAGE.fullmatch(language):
        yield Violation("language", 'must be an ISO 639-1 code of two lower-case letters, for example "ru"')


def _check_url(url: str) -> Iterator[Violation]:
    if len(url) > MAX_URL:
        yield Violation("url", f"must be at most {MAX_URL:,} characters, is {len(url):,}")
    elif url and not is_url(url):
        yield Violation("url", "must be an absolute http or https address, or a path")
    yield from check_characters("url", url)


def is_url(url: str) -> bool:
    """Whether it is an absolute http or https address, or a path."""
    if _UNSAFE_IN_URL.search(url) or url.startswith("//"):
        return False
    if not _SCHEME.match(url):
        return True
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return False
    # An address with a user name ("https://bank.example@evil.example") looks like another one.
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _check_metadata(metadata: Mapping[str, JsonValue]) -> Sequence[Violation]:
    if isinstance(metadata, RefusedMetadata):
        return metadata.faults
    return faults_of_metadata(metadata, "metadata") or _check_size(metadata)


def _check_size(metadata: Mapping[str, JsonValue]) -> list[Violation]:
    size = len(exact_json.dumps(metadata).encode())
    if size <= MAX_METADATA_BYTES:
        return []
    largest = max(metadata, key=lambda key: len(key) + len(str(metadata[key])))
    limit = f"must be at most {MAX_METADATA_BYTES:,} bytes as JSON, is {size:,}"
    return [Violation("metadata", f"{limit}, the most of them in {exact_json.below('', largest)}")]


def _check_parent(draft: Draft) -> Iterator[Violation]:
    parent = draft.parent_key
    if parent is None:
        return
    if not _SOURCE_TYPE.fullmatch(parent.source_type):
        yield Violation("parent_key.source_type", "must be 1-64 characters of a-z, 0-9, _ and -")
    yield from _check_text("parent_key.external_id", parent.external_id, MAX_EXTERNAL_ID, required=True)
    if parent == draft.key:
        yield Violation("parent_key", "must not be the document itself")


def _check_etag(etag: str) -> Iterator[Violation]:
    if etag and not etag.isdecimal():
        yield Violation("etag", "is not one that we gave")


def _metadata_faults(name: str, metadata: Mapping[str, JsonValue]) -> Iterator[Violation]:
    """In the order of the values. Walks without recursion: the depth is the caller's."""
    waiting: list[tuple[str, JsonValue, int]] = [(name, metadata, 1)]
    while waiting:
        path, value, depth = waiting.pop()
        if depth > MAX_METADATA_DEPTH:
            yield Violation(path, f"must be nested at most {MAX_METADATA_DEPTH} levels deep")
            continue
        yield from _value_faults(path, value)
        inner = [(below, child, depth + 1) for below, child in exact_json.children(path, value)]
        waiting.extend(reversed(inner))


def _value_faults(path: str, value: JsonValue) -> Iterator[Violation]:
    if isinstance(value, str):
        yield from check_characters(path, value)
    elif isinstance(value, Mapping):
        yield from _key_faults(path, value)
    elif isinstance(value, int | Decimal) and exact_json.has_too_many_digits(value):
        yield Violation(
            path, f"must be a number of at most {exact_json.MOST_DIGITS} digits before and after the point"
        )
    elif isinstance(value, float | Decimal) and not math.isfinite(value):
        yield Violation(path, "must be a number that is not infinite")


def _key_faults(path: str, value: Mapping[str, JsonValue]) -> Iterator[Violation]:
    for key in value:
        yield from check_characters(exact_json.below(path, key), key)
    if isinstance(value, exact_json.RepeatedKeys):
        yield from (
            Violation(exact_json.below(path, key), "is given more than once") for key in value.repeated
        )


def _canonical(value: JsonValue) -> JsonValue:
    """The same value as protobuf and Postgres give it back: whole numbers without a fraction, plain lists."""
    if isinstance(value, Mapping):
        return {key: _canonical(child) for key, child in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_canonical(child) for child in value]
    return exact_json.normal(value) if isinstance(value, float | Decimal) else value
