"""Files of certificates: what is wrong with one is said by the name of its setting."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from retrieval_service import certificates, errors
from retrieval_service.api import tls as server_tls
from retrieval_service.certificates import PemFile
from retrieval_service.client import tls as client_tls
from retrieval_service.client.tls import Tls
from retrieval_service.services.operations import doctor_tls
from tests.kits.certificate_files import Authority, Files
from tests.kits.service_kit import settings_for_tests


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def files(authority: Authority) -> Files:
    return authority.issue("localhost")


def named(files: Files) -> tuple[PemFile, PemFile]:
    return PemFile(setting="CERT", path=files.certificate), PemFile(setting="KEY", path=files.key)


def test_pair_is_read_and_its_key_is_not_shown(files: Files) -> None:
    identity = certificates.read_identity(*named(files))
    assert identity.chain == files.certificate.read_bytes()
    assert "PRIVATE" not in repr(identity)


@pytest.mark.parametrize("which", ["certificate", "key"])
def test_missing_file_is_named(files: Files, which: str) -> None:
    getattr(files, which).unlink()
    with pytest.raises(errors.Misconfigured, match=f"^{'CERT' if which == 'certificate' else 'KEY'}: "):
        certificates.read_identity(*named(files))


@pytest.mark.parametrize("content", ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
@pytest.mark.parametrize("which", ["certificate", "key"])
def test_file_that_holds_something_else_is_named(files: Files, which: str, content: str) -> None:
    getattr(files, which).write_text(content)
    with pytest.raises(errors.Misconfigured, match=r"^(CERT|KEY): "):
        certificates.read_identity(*named(files))


def test_key_of_another_certificate_is_named(authority: Authority, files: Files) -> None:
    other = authority.issue("localhost", name="other")
    with pytest.raises(errors.Misconfigured, match=r"^KEY: .*is not the key of CERT"):
        certificates.read_identity(*named(Files(certificate=files.certificate, key=other.key)))


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o666, 0o777])
def test_key_that_every_account_may_use_is_refused(files: Files, mode: int) -> None:
    files.key.chmod(mode)
    with pytest.raises(errors.Misconfigured, match=r"^KEY: .*open to every account"):
        certificates.read_identity(*named(files))


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_key_for_its_owner_or_group_is_accepted(files: Files, mode: int) -> None:
    files.key.chmod(mode)
    assert certificates.read_identity(*named(files))


def test_authorities_must_be_certificates(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("none")
    with pytest.raises(errors.Misconfigured, match=r"^CA: .*holds no certificate"):
        certificates.read_authorities(PemFile(setting="CA", path=bundle))


def test_authorities_may_have_comments_in_any_language(authority: Authority) -> None:
    authority.path.write_text(f"# Наш центр\n{authority.path.read_text()}", encoding="utf-8")
    assert certificates.read_authorities(PemFile(setting="CA", path=authority.path))


def test_signature_changes_with_each_way_to_renew_a_file(authority: Authority, files: Files) -> None:
    watched = list(named(files))
    seen = [certificates.signature(watched)]
    authority.issue("localhost")  # renamed into place
    seen.append(certificates.signature(watched))
    files.certificate.write_text("written over")
    seen.append(certificates.signature(watched))
    files.key.unlink()
    seen.append(certificates.signature(watched))
    assert len(set(seen)) == 4


def test_symbolic_link_that_points_elsewhere_counts_as_renewed(authority: Authority, tmp_path: Path) -> None:
    one, two = authority.issue("a", name="one"), authority.issue("b", name="two")
    link = tmp_path / "live.pem"
    link.symlink_to(one.certificate)
    before = certificates.signature([PemFile(setting="CERT", path=link)])
    os.replace(link_to(two.certificate, tmp_path / "next.pem"), link)
    assert certificates.signature([PemFile(setting="CERT", path=link)]) != before


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"tls_cert": Path("c.pem")}, "KLADEZ_TLS_KEY"),
        ({"tls_key": Path("c.key")}, "KLADEZ_TLS_CERT"),
        ({"tls_client_ca": Path("ca.pem")}, "KLADEZ_TLS_CERT"),
    ],
)
def test_half_of_the_servers_settings_is_refused(changes: dict[str, Path], missing: str) -> None:
    with pytest.raises(errors.Misconfigured, match=f"^{missing}: "):
        server_tls.credentials(settings_for_tests(**changes))


@pytest.mark.parametrize(
    ("tls", "missing"),
    [
        (Tls(certificate=Path("c.pem")), "KLADEZ_TLS_CLIENT_KEY"),
        (Tls(key=Path("c.key")), "KLADEZ_TLS_CLIENT_CERT"),
        (Tls(ca=Path("gone.pem")), "KLADEZ_TLS_CA"),
    ],
)
def test_half_of_a_clients_settings_is_refused(tls: Tls, missing: str) -> None:
    with pytest.raises(errors.Misconfigured, match=f"^{missing}: "):
        client_tls.read(tls)


def test_end_of_a_certificate_is_known(files: Files) -> None:
    assert certificates.expires_at(*named(files)) > datetime.now(UTC) + timedelta(days=30)


def test_checklist_knows_the_certificate(authority: Authority, files: Files) -> None:
    told = {"tls_cert": files.certificate, "tls_key": files.key}
    [finding] = doctor_tls.examine(settings_for_tests(**told))
    assert finding.ok
    assert "valid until" in finding.detail
    authority.issue("localhost", is_expired=True)
    [finding] = doctor_tls.examine(settings_for_tests(**told))
    assert (finding.ok, finding.detail) == (False, "KLADEZ_TLS_CERT: certificate has expired")
    files.key.chmod(0o644)
    [finding] = doctor_tls.examine(settings_for_tests(**told))
    assert not finding.ok
    assert doctor_tls.examine(settings_for_tests()) == []


def test_client_believes_the_systems_authorities_unless_told(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    assert client_tls.read(Tls()).authorities == authority.path.read_bytes()


def test_client_reads_its_files_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLADEZ_TLS_CA", "ca.pem")
    monkeypatch.setenv("KLADEZ_TLS_CLIENT_CERT", "")
    monkeypatch.setenv("KLADEZ_TLS_SERVER_NAME", "kb.example")
    assert client_tls.from_environment() == Tls(ca=Path("ca.pem"), server_name="kb.example")


def link_to(target: Path, name: Path) -> Path:
    name.symlink_to(target)
    return name
