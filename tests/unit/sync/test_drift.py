"""What a provider holds, compared with what it should hold."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from retrieval_service.domain.sync.drift import Comparison, Kind, Known, Local, Mend, Remote, Wanted, compare
from retrieval_service.domain.sync.remote_files import FileState, StoreFile, UploadedFile

TENANT = UUID(int=1)
DOCUMENT, OTHER, STRANGER = UUID(int=10), UUID(int=11), UUID(int=99)
ATTRIBUTES = {"tenant_id": str(TENANT), "document_id": str(DOCUMENT), "revision": "new", "price": 3}
WANTED = {DOCUMENT: Wanted(revision="new", attributes=ATTRIBUTES)}


def entry(file_id: str = "a", document_id: UUID | None = DOCUMENT, **changes: object) -> StoreFile:
    """As the store lists a document's right file."""
    right = StoreFile(
        file_id=file_id,
        document_id=document_id,
        revision="new",
        state=FileState.COMPLETED,
        attributes=ATTRIBUTES,
    )
    return replace(right, **changes)


def upload(file_id: str = "a", document_id: UUID = DOCUMENT, revision: str = "new") -> UploadedFile:
    return UploadedFile(file_id=file_id, document_id=document_id, revision=revision)


def known(file_id: str = "a", document_id: UUID = DOCUMENT) -> Known:
    return Known(file_id=file_id, document_id=document_id, is_primary=True)


def leftover(file_id: str, *, is_overdue: bool = True) -> Known:
    return Known(file_id=file_id, document_id=DOCUMENT, is_primary=False, is_overdue=is_overdue)


def compared(
    store: list[StoreFile] | None,
    uploads: list[UploadedFile],
    books: list[Known],
    *,
    wanted: dict[UUID, Wanted] | None = None,
    unsettled: frozenset[UUID] = frozenset(),
) -> Comparison:
    """The tenant has the document DOCUMENT, alive unless `wanted` says otherwise."""
    local = Local(
        tenant_id=TENANT,
        document_ids={DOCUMENT},
        unsettled_ids=unsettled,
        wanted=WANTED if wanted is None else wanted,
        known=books,
    )
    return compare(Remote(store=store, uploads=uploads), local)


def kinds(found: Comparison) -> list[Kind]:
    return [finding.kind for finding in found.findings]


def only_mend(found: Comparison) -> Mend:
    [mend] = found.mends
    return mend


def test_what_is_in_step_needs_nothing() -> None:
    assert compared([entry()], [upload()], [known()]) == Comparison()


def test_document_without_any_file_is_missing() -> None:
    found = compared([], [], [])
    assert kinds(found) == [Kind.MISSING]
    assert only_mend(found) == Mend(document_id=DOCUMENT)


def test_file_that_vanished_is_forgotten() -> None:
    found = compared([], [], [known()])
    assert kinds(found) == [Kind.MISSING]
    assert only_mend(found).forgotten == {"a"}


def test_file_that_only_left_the_store_is_sent_anew_and_the_old_one_goes() -> None:
    found = compared([], [upload()], [known()])
    assert kinds(found) == [Kind.MISSING]
    assert only_mend(found).doomed == {"a"}


def test_file_that_its_entry_outlived_does_not_serve() -> None:
    found = compared([entry()], [], [known()])
    assert kinds(found) == [Kind.STUCK]
    assert only_mend(found).keep == ""


def test_wrong_revision_is_read_from_the_name_and_serves_until_it_is_replaced() -> None:
    found = compared([entry()], [upload(revision="old")], [known()])
    assert kinds(found) == [Kind.CONTENT]
    assert only_mend(found).keep == "a"
    assert not only_mend(found).is_content_right


def test_changed_attributes_are_no_reason_to_send_the_content() -> None:
    found = compared([entry(attributes={**ATTRIBUTES, "price": 4})], [upload()], [known()])
    assert kinds(found) == [Kind.ATTRIBUTES]
    assert only_mend(found) == Mend(document_id=DOCUMENT, keep="a", are_attributes_right=False)


def test_number_that_comes_back_as_a_float_is_no_change() -> None:
    assert compared([entry(attributes={**ATTRIBUTES, "price": 3.0})], [upload()], [known()]) == Comparison()


def test_attributes_that_lost_the_documents_id_do_not_make_a_stranger() -> None:
    bare = entry(document_id=None, attributes={})
    assert kinds(compared([bare], [upload()], [known()])) == [Kind.ATTRIBUTES]


@pytest.mark.parametrize("state", [FileState.FAILED, FileState.IN_PROGRESS])
def test_file_that_failed_or_is_stuck_is_replaced(state: FileState) -> None:
    found = compared([entry(state=state)], [upload()], [known()])
    assert kinds(found) == [Kind.STUCK]
    assert only_mend(found) == Mend(document_id=DOCUMENT, doomed=frozenset({"a"}))


def test_second_file_of_a_document_goes_and_the_known_one_stays() -> None:
    found = compared([entry("b"), entry()], [upload(), upload("b")], [known()])
    assert kinds(found) == [Kind.DUPLICATE]
    assert only_mend(found) == Mend(document_id=DOCUMENT, keep="a", doomed=frozenset({"b"}))


def test_right_file_that_nobody_wrote_down_is_adopted_instead_of_sent_again() -> None:
    found = compared([entry("b")], [upload("b")], [known("a")])
    assert kinds(found) == [Kind.UNKNOWN_FILE]
    assert only_mend(found) == Mend(document_id=DOCUMENT, keep="b", forgotten=frozenset({"a"}))


def test_right_file_is_preferred_to_the_known_one_of_an_old_revision() -> None:
    found = compared([entry(), entry("b")], [upload(revision="old"), upload("b")], [known()])
    assert only_mend(found) == Mend(document_id=DOCUMENT, keep="b", doomed=frozenset({"a"}))


def test_upload_in_no_store_is_an_orphan() -> None:
    found = compared([entry()], [upload(), upload("b", revision="old")], [known()])
    assert kinds(found) == [Kind.ORPHAN]
    assert only_mend(found).doomed == {"b"}


def test_file_that_was_to_go_and_did_not_is_a_leftover() -> None:
    found = compared([entry()], [upload(), upload("b")], [known(), leftover("b")])
    assert kinds(found) == [Kind.LEFTOVER]
    assert only_mend(found).doomed == {"b"}


@pytest.mark.parametrize("is_there", [True, False])
def test_leftover_that_is_about_to_be_swept_away_is_no_difference(*, is_there: bool) -> None:
    store, uploads = ([entry("b")], [upload("b")]) if is_there else ([], [])
    books = [known(), leftover("b", is_overdue=False)]
    assert compared([entry(), *store], [upload(), *uploads], books) == Comparison()


def test_leftover_that_is_gone_already_is_only_forgotten() -> None:
    found = compared([entry()], [upload()], [known(), leftover("b")])
    assert only_mend(found) == Mend(document_id=DOCUMENT, keep="a", forgotten=frozenset({"b"}))


def test_nothing_of_a_deleted_document_may_stay() -> None:
    found = compared([entry()], [upload(), upload("b")], [known()], wanted={})
    assert kinds(found) == [Kind.EXTRA, Kind.ORPHAN]
    assert only_mend(found) == Mend(document_id=DOCUMENT, doomed=frozenset({"a", "b"}))


def test_file_of_a_purged_document_is_known_by_the_tenant_in_its_attributes() -> None:
    left = entry("b", OTHER, attributes={"tenant_id": str(TENANT), "document_id": str(OTHER)})
    found = compared([entry(), left], [upload(), upload("b", OTHER)], [known()])
    assert kinds(found) == [Kind.EXTRA]
    assert only_mend(found).document_id == OTHER


def test_file_of_nobody_only_leaves_the_store() -> None:
    foreign = entry("x", None, attributes={})
    found = compared([entry(), foreign], [upload()], [known()])
    assert kinds(found) == [Kind.EXTRA]
    assert (found.mends, found.strangers) == ((), ("x",))


def test_uploads_of_others_are_never_touched() -> None:
    assert compared([entry()], [upload(), upload("x", STRANGER)], [known()]) == Comparison()


def test_lost_store_makes_everything_missing() -> None:
    found = compared(None, [upload()], [known()])
    assert kinds(found) == [Kind.STORE_GONE, Kind.MISSING]


def test_document_on_its_way_is_no_difference() -> None:
    unsettled = frozenset({DOCUMENT})
    assert compared([entry("b")], [upload("c")], [known()], unsettled=unsettled) == Comparison()


def test_document_that_was_given_up_is_told_of_and_left_to_a_retry() -> None:
    wanted = {DOCUMENT: replace(WANTED[DOCUMENT], is_given_up=True)}
    found = compared([], [], [], wanted=wanted)
    assert kinds(found) == [Kind.GIVEN_UP]
    assert found.mends == ()
