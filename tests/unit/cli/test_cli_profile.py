"""Which service, key and tenant a command uses, and how the profile is kept."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval_service import errors
from retrieval_service.cli import profile as profiles
from retrieval_service.cli.connection import Target, operator_target, tenant_target
from retrieval_service.cli.options import Options
from tests.kits.cli_profiles import PROFILE

UNTOLD = Options(data_dir=Path("data"))


def test_profile_is_for_its_owner_alone(tmp_path: Path) -> None:
    profiles.save(tmp_path, PROFILE)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert profiles.load(tmp_path) == PROFILE


def test_saved_again_it_is_replaced(tmp_path: Path) -> None:
    profiles.save(tmp_path, PROFILE)
    profiles.save(tmp_path, replace(PROFILE, tenant_key="new"))
    loaded = profiles.load(tmp_path)
    assert loaded is not None
    assert loaded.tenant_key == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["authorization", profiles.FILE_NAME]
    assert profiles.header_file(tmp_path).read_text() == "authorization: Bearer new\n"


def test_no_profile_is_no_error(tmp_path: Path) -> None:
    assert profiles.load(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"service_address": 1'])
def test_broken_profile_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / profiles.FILE_NAME).write_text(text)
    with pytest.raises(errors.Misconfigured, match=profiles.FILE_NAME):
        profiles.load(tmp_path)


def test_no_key_is_shown_by_repr() -> None:
    assert "key-of" not in repr(PROFILE)
    assert "secret-of" not in repr(PROFILE)
    assert "key-of" not in repr(tenant_target(UNTOLD, PROFILE))


def test_untold_command_speaks_for_the_demo_shop_with_its_own_key() -> None:
    expected = Target(address="127.0.0.1:50051", key="key-of-the-tenant", tenant_id="demo-tenant")
    assert tenant_target(UNTOLD, PROFILE) == expected


def test_another_tenant_takes_the_operators_key() -> None:
    target = tenant_target(replace(UNTOLD, tenant_id="other"), PROFILE)
    assert (target.key, target.tenant_id) == ("key-of-the-operator", "other")


def test_told_key_is_used_alone_and_picks_its_own_tenant() -> None:
    target = tenant_target(replace(UNTOLD, key="told"), PROFILE)
    assert target == Target(address="127.0.0.1:50051", key="told", tenant_id="")


def test_keys_of_the_profile_never_go_to_another_address() -> None:
    stranger = replace(UNTOLD, address="elsewhere:50051")
    for choose in (tenant_target, operator_target):
        with pytest.raises(errors.KeyMissing):
            choose(stranger, PROFILE)
        assert choose(replace(stranger, key="told"), PROFILE).key == "told"


def test_commands_about_tenants_take_the_operators_key() -> None:
    assert operator_target(UNTOLD, PROFILE).key == "key-of-the-operator"
