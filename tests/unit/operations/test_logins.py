"""Logins that are derived from the one in DATABASE_URL."""

from __future__ import annotations

from retrieval_service.stores.access.logins import Login, owner_of, service_of


def test_superuser_without_a_password_derives_no_owner() -> None:
    """Anybody could find its password."""
    given = Login(role="postgres", password="")
    assert owner_of(given, is_superuser=True) == given


def test_no_derived_login_has_the_password_of_another() -> None:
    given = Login(role="postgres", password="given")
    owner = owner_of(given, is_superuser=True)
    service = service_of(owner)
    assert len({given.password, owner.password, service.password}) == 3
    assert (
        service.password
        != service_of(owner_of(Login(role="postgres", password="x"), is_superuser=True)).password
    )
