"""A certificate or a model that cannot be used is told before anything is done to a database."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from retrieval_service import errors
from retrieval_service.cli.failures import ExitCode
from retrieval_service.composition.opening import open_service
from tests.kits.certificate_files import Authority
from tests.kits.processes_kit import environment
from tests.kits.service_kit import settings_for_tests

# Nobody listens there: whoever asked it first would say that.
NO_DATABASE = "postgresql://kladez@127.0.0.1:1/kladez"


def variables(folder: Path, mistake: str) -> tuple[dict[str, str], str]:
    """A mistake, and how what is said of it begins."""
    authority = Authority(folder)
    files, others = authority.issue("localhost"), authority.issue("other", name="other")
    told = {"KLADEZ_TLS_CERT": str(files.certificate), "KLADEZ_TLS_KEY": str(files.key)}
    if mistake == "no such file":
        return {**told, "KLADEZ_TLS_CERT": str(folder / "gone.pem")}, "KLADEZ_TLS_CERT: "
    if mistake == "no key":
        return {"KLADEZ_TLS_CERT": str(files.certificate)}, "KLADEZ_TLS_KEY: "
    if mistake == "another's key":
        return {**told, "KLADEZ_TLS_KEY": str(others.key)}, "KLADEZ_TLS_KEY: "
    if mistake == "an open key":
        files.key.chmod(0o644)
        return told, "KLADEZ_TLS_KEY: "
    (folder / "empty.pem").touch()
    return {**told, "KLADEZ_TLS_CLIENT_CA": str(folder / "empty.pem")}, "KLADEZ_TLS_CLIENT_CA: "


@pytest.mark.parametrize(
    "mistake", ["no such file", "no key", "another's key", "an open key", "no authorities"]
)
@pytest.mark.parametrize("command", ["serve", "up"])
@pytest.mark.parametrize("database", [NO_DATABASE, ""], ids=["of its own", "embedded"])
async def test_mistake_is_told_before_a_database_is_touched(
    tmp_path: Path, database: str, command: str, mistake: str
) -> None:
    told, beginning = variables(tmp_path, mistake)
    data_dir = tmp_path / "data"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "retrieval_service.cli.main", command, "--data-dir", str(data_dir)),
        cwd=tmp_path,
        env=environment({**told, "DATABASE_URL": database}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaints = await process.communicate()
    assert process.returncode == ExitCode.FAILED
    [line] = complaints.decode().splitlines()
    assert line.startswith(f"kladez: {beginning}")
    assert not data_dir.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"embedder": "nonsense"}, "KLADEZ_EMBEDDER must be"),
        ({"embedder": "openai"}, "OPENAI_API_KEY or OPENAI_BASE_URL is not set"),
        ({"next_embedder": "auto"}, "KLADEZ_NEXT_EMBEDDER must be"),
        ({"next_embedder": "openai"}, "OPENAI_API_KEY or OPENAI_BASE_URL is not set"),
        ({"answerer": "nonsense"}, "KLADEZ_ANSWERER must be"),
        ({"answerer": "chat"}, "OPENAI_API_KEY or OPENAI_BASE_URL is not set"),
    ],
)
async def test_model_that_cannot_be_had_is_told_before_a_database_is_touched(
    changes: dict[str, str], said: str
) -> None:
    without = {"embedder": "local", "openai_api_key": None, "openai_base_url": None}
    settings = await asyncio.to_thread(settings_for_tests, **{**without, **changes})
    with pytest.raises(errors.Misconfigured, match=said):
        async with open_service(settings, NO_DATABASE):
            pass
