"""What a provider holds of a tenant's documents, compared with what it should hold, and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from retrieval_service.domain.sync.remote_files import Attributes, FileState, StoreFile, UploadedFile


class Kind(StrEnum):
    """How the provider's copy differs."""

    STORE_GONE = "store_gone"
    MISSING = "missing"
    CONTENT = "content"
    ATTRIBUTES = "attributes"
    STUCK = "stuck"
    DUPLICATE = "duplicate"
    EXTRA = "extra"
    ORPHAN = "orphan"
    LEFTOVER = "leftover"
    UNKNOWN_FILE = "unknown_file"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A living document as the provider should hold it; `is_given_up` when the queue stopped trying."""

    revision: str
    attributes: Attributes
    is_given_up: bool = False


@dataclass(frozen=True, kw_only=True)
class Known:
    """A file that our own books name for a document; it stands for the document, or it has to go.

    One that has to go is on its way, until it `is_overdue`.
    """

    file_id: str
    document_id: UUID
    is_primary: bool
    is_overdue: bool = False


@dataclass(frozen=True, kw_only=True)
class Remote:
    """What the provider lists: the tenant's store, None when that is gone, and our uploads of all tenants."""

    store: Sequence[StoreFile] | None
    uploads: Sequence[UploadedFile]


@dataclass(frozen=True, kw_only=True)
class Local:
    """What we say of the tenant: `wanted` are the living documents that the provider should hold.

    `document_ids` are all documents there are, deleted ones too. Of `unsettled_ids` somebody changed or uploaded
    something just now, or is about to. What is nobody's document is no difference in a store that is shared.
    """

    tenant_id: UUID
    document_ids: Collection[UUID]
    unsettled_ids: Collection[UUID]
    wanted: Mapping[UUID, Wanted]
    known: Sequence[Known]
    is_store_shared: bool = False


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One difference; the ids are None and "" where it has none."""

    kind: Kind
    document_id: UUID | None = None
    file_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Mend:
    """How to bring a document into step: `keep` is the file that stands for it, "" for none.

    `doomed` files have to go from the provider, `forgotten` ones are gone already. Of a kept file the content
    or the attributes may have to be brought up to date.
    """

    document_id: UUID
    keep: str = ""
    is_content_right: bool = True
    are_attributes_right: bool = True
    doomed: frozenset[str] = frozenset()
    forgotten: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that differs; `strangers` are files in the store that are nobody's documents."""

    findings: tuple[Finding, ...] = ()
    mends: tuple[Mend, ...] = ()
    strangers: tuple[str, ...] = ()

    @property
    def counts(self) -> Mapping[Kind, int]:
        return Counter(finding.kind for finding in self.findings)

    def of(self, kind: Kind) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind is kind]


@dataclass(frozen=True, kw_only=True)
class _Holding:
    """Everything there is of one document, here and there, by file."""

    document_id: UUID
    listed: dict[str, StoreFile] = field(default_factory=dict)
    uploaded: dict[str, UploadedFile] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)

    @property
    def primary(self) -> str:
        return next((one.file_id for one in self.known.values() if one.is_primary), "")

    @property
    def present(self) -> frozenset[str]:
        return frozenset(self.listed) | frozenset(self.uploaded)


def compare(remote: Remote, local: Local) -> Comparison:
    remote, local = _without_leaving(remote, local)
    holdings, found = _sorted_out(remote, local)
    strangers = [] if local.is_store_shared else found
    judged = [
        _judged(holding, local.wanted.get(holding.document_id))
        for holding in holdings
        if holding.document_id not in local.unsettled_ids
    ]
    gone = [Finding(kind=Kind.STORE_GONE)] if remote.store is None else []
    extras = [Finding(kind=Kind.EXTRA, file_id=file_id) for file_id in strangers]
    return Comparison(
        findings=(*gone, *(finding for findings, _ in judged for finding in findings), *extras),
        mends=tuple(mend for _, mend in judged if mend),
        strangers=tuple(strangers),
    )


def _without_leaving(remote: Remote, local: Local) -> tuple[Remote, Local]:
    """As if files that are about to be swept away were gone already."""
    leaving = {one.file_id for one in local.known if not one.is_primary and not one.is_overdue}
    store = remote.store and [entry for entry in remote.store if entry.file_id not in leaving]
    uploads = [upload for upload in remote.uploads if upload.file_id not in leaving]
    known = [one for one in local.known if one.file_id not in leaving]
    return Remote(store=store, uploads=uploads), replace(local, known=known)


def _sorted_out(remote: Remote, local: Local) -> tuple[list[_Holding], list[str]]:
    """By document, in a lasting order; files of the store that are nobody's apart."""
    own = {*local.document_ids, *local.wanted, *(one.document_id for one in local.known)}
    named = {upload.file_id: upload.document_id for upload in remote.uploads}
    holdings = {document_id: _Holding(document_id=document_id) for document_id in sorted(own)}
    strangers: list[str] = []
    for entry in remote.store or ():
        owner = _owner(entry, named, own, local.tenant_id)
        if owner is None:
            strangers.append(entry.file_id)
        else:
            holdings.setdefault(owner, _Holding(document_id=owner)).listed[entry.file_id] = entry
    for upload in remote.uploads:
        if upload.document_id in holdings:
            holdings[upload.document_id].uploaded[upload.file_id] = upload
    for one in local.known:
        holdings[one.document_id].known[one.file_id] = one
    return list(holdings.values()), strangers


def _owner(
    entry: StoreFile, named: Mapping[str, UUID], own: Collection[UUID], tenant_id: UUID
) -> UUID | None:
    """A file's name cannot be changed, its attributes can; of a purged document nothing but these is left."""
    document_id = named.get(entry.file_id, entry.document_id)
    is_ours = document_id in own or entry.attributes.get("tenant_id") == str(tenant_id)
    return document_id if is_ours else None


def _judged(holding: _Holding, wanted: Wanted | None) -> tuple[list[Finding], Mend | None]:
    if wanted is None:
        return _judged_unwanted(holding)
    if wanted.is_given_up:
        return [Finding(kind=Kind.GIVEN_UP, document_id=holding.document_id)], None
    keep = _kept(holding, wanted)
    findings = [*_of_document(holding, keep, wanted), *_of_others(holding, keep)]
    return findings, _mend(holding, keep, wanted) if findings else None


def _judged_unwanted(holding: _Holding) -> tuple[list[Finding], Mend | None]:
    """Nothing of the document may be there."""
    doomed, forgotten = holding.present, frozenset(holding.known) - holding.present
    findings = [_finding(holding, Kind.EXTRA, file_id) for file_id in sorted(holding.listed)]
    findings += [_finding(holding, Kind.ORPHAN, each) for each in sorted(doomed - frozenset(holding.listed))]
    findings += [_finding(holding, Kind.LEFTOVER, file_id) for file_id in sorted(forgotten)]
    mend = Mend(document_id=holding.document_id, doomed=doomed, forgotten=forgotten)
    return findings, mend if findings else None


def _kept(holding: _Holding, wanted: Wanted) -> str:
    """The file that serves the document best, "" when none serves."""
    serving = [
        entry
        for file_id, entry in sorted(holding.listed.items())
        if entry.state is FileState.COMPLETED and file_id in holding.uploaded
    ]

    def merit(entry: StoreFile) -> tuple[bool, bool, bool]:
        is_right = holding.uploaded[entry.file_id].revision == wanted.revision
        return is_right, entry.file_id == holding.primary, entry.attributes == wanted.attributes

    return max(serving, key=merit).file_id if serving else ""


def _of_document(holding: _Holding, keep: str, wanted: Wanted) -> Iterable[Finding]:
    """What is wrong with the file that stands for the document."""
    if not keep:
        kind = Kind.STUCK if holding.primary in holding.listed else Kind.MISSING
        yield _finding(holding, kind, holding.primary)
        return
    if keep != holding.primary:
        yield _finding(holding, Kind.UNKNOWN_FILE, keep)
    if holding.uploaded[keep].revision != wanted.revision:
        yield _finding(holding, Kind.CONTENT, keep)
    elif holding.listed[keep].attributes != wanted.attributes:
        yield _finding(holding, Kind.ATTRIBUTES, keep)


def _of_others(holding: _Holding, keep: str) -> Iterable[Finding]:
    """Files beside the one that stands for the document; a primary that does not is told of already."""
    others = (holding.present | frozenset(holding.known)) - {keep, holding.primary}
    for file_id in sorted(others):
        if file_id in holding.known:
            yield _finding(holding, Kind.LEFTOVER, file_id)
        else:
            is_listed = file_id in holding.listed
            yield _finding(holding, Kind.DUPLICATE if is_listed else Kind.ORPHAN, file_id)


def _mend(holding: _Holding, keep: str, wanted: Wanted) -> Mend:
    return Mend(
        document_id=holding.document_id,
        keep=keep,
        is_content_right=not keep or holding.uploaded[keep].revision == wanted.revision,
        are_attributes_right=not keep or holding.listed[keep].attributes == wanted.attributes,
        doomed=holding.present - {keep},
        forgotten=frozenset(holding.known) - holding.present,
    )


def _finding(holding: _Holding, kind: Kind, file_id: str) -> Finding:
    return Finding(kind=kind, document_id=holding.document_id, file_id=file_id)
