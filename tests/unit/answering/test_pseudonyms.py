"""What a provider learns of who asks."""

from __future__ import annotations

from uuid import UUID

from retrieval_service.domain.answering.pseudonyms import Pseudonyms

TENANT, OTHER_TENANT = UUID(int=1), UUID(int=2)
SESSION, OTHER_SESSION = UUID(int=3), UUID(int=4)
OURS = Pseudonyms(b"key")


def test_customer_is_the_same_in_all_sessions_and_another_for_each_tenant_and_key() -> None:
    name = OURS.of(TENANT, "anna", SESSION)
    assert OURS.of(TENANT, "anna", OTHER_SESSION) == name
    others = {
        OURS.of(TENANT, "boris", SESSION),
        OURS.of(OTHER_TENANT, "anna", SESSION),
        Pseudonyms(b"other").of(TENANT, "anna", SESSION),
    }
    assert name not in others
    assert len(others) == 3


def test_without_a_name_the_session_counts() -> None:
    assert OURS.of(TENANT, "", SESSION) != OURS.of(TENANT, "", OTHER_SESSION)
    assert OURS.of(TENANT, "", None) == OURS.of(TENANT, "", None)


def test_nothing_of_it_can_be_read() -> None:
    name = OURS.of(TENANT, "anna", SESSION)
    assert len(name) == 64
    assert not {"anna", str(TENANT), str(SESSION)} & {name}
    assert set(name) <= set("0123456789abcdef")
