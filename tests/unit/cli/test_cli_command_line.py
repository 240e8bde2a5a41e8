"""The command line without a service: where options may stand, what is refused, and with which exit code."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from retrieval_service import errors
from retrieval_service.cli import main, output
from retrieval_service.cli import profile as profiles
from retrieval_service.cli.commands import status
from retrieval_service.cli.failures import BadInput, ExitCode, Failed, exit_code, explanation
from retrieval_service.cli.options import hoisted
from retrieval_service.cli.up import announcing
from retrieval_service.client import CallFailed, FieldViolation
from tests.kits.cli_profiles import PROFILE

FROM_ENVIRONMENT = ("ADDRESS", "KEY", "KEY_FILE", "TENANT", "DATA_DIR", "LOG_LEVEL")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the developer's variables nor a `.env` file reach the command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for name in FROM_ENVIRONMENT:
        monkeypatch.delenv(f"KLADEZ_{name}", raising=False)


def test_global_options_may_stand_anywhere() -> None:
    arguments = ["search", "--json", "tea", "--tenant", "t1", "--limit", "3", "--key-file", "k"]
    assert hoisted(arguments) == [
        "--json",
        "--tenant",
        "t1",
        "--key-file",
        "k",
        "search",
        "tea",
        "--limit",
        "3",
    ]


def test_nothing_behind_two_dashes_is_an_option() -> None:
    assert hoisted(["search", "--", "--json", "--key"]) == ["search", "--", "--json", "--key"]


def test_option_without_its_value_is_a_usage_error() -> None:
    assert main.run(["status", "--tenant"]) == ExitCode.USAGE


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["search"],
        ["search", "tea", "--mode", "telepathic"],
        ["search", "tea", "--limit", "0"],
        ["usage", "--days", "93"],
        ["up", "--port", "70000"],
        ["tenant", "key", "--scope", "everything"],
        ["import", "shop", "there-is-no-such-file.json"],
        ["import", "documents", "there-is-no-such-folder"],
        ["eval", "there-is-no-such-folder"],
    ],
)
def test_wrong_arguments_end_with_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == ExitCode.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err
    assert "Traceback" not in printed.err


def test_without_a_service_the_way_to_start_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["status", "--data-dir", str(tmp_path)]) == ExitCode.UNREACHABLE
    assert "kladez up" in capsys.readouterr().err


def test_named_service_needs_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = ["--address", "127.0.0.1:1", "--data-dir", str(tmp_path)]
    assert main.run(["status", *told]) == ExitCode.FAILED
    assert "KLADEZ_KEY" in capsys.readouterr().err


def test_unreadable_profile_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "profile.json").write_text("{")
    assert main.run(["status", "--data-dir", str(tmp_path)]) == ExitCode.FAILED
    assert str(tmp_path / "profile.json") in capsys.readouterr().err


def test_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KLADEZ_PORT", "many")
    assert main.run(["status"]) == ExitCode.FAILED
    assert "KLADEZ_PORT" in capsys.readouterr().err


def test_unexpected_error_leaves_its_traceback_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "kladez.log"
    monkeypatch.setattr(main, "crash_log", lambda: log)
    assert main.explain(ValueError("surprise"), debug=False) == ExitCode.FAILED
    assert str(log) in capsys.readouterr().err.replace("\n", "")
    assert "ValueError: surprise" in log.read_text()


def test_every_command_has_a_help_page() -> None:
    runner = CliRunner()
    shown = runner.invoke(main.app, ["--help"], env={"COLUMNS": "200"}).output
    for command in ("up", "serve", "work", "migrate", "tenant", "import", "search", "ask", "usage", "doctor"):
        assert command in shown
        assert runner.invoke(main.app, [command, "--help"]).exit_code == 0


def test_debug_shows_the_traceback_instead(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.explain(ValueError("surprise"), debug=True) == ExitCode.FAILED
    assert "ValueError: surprise" in capsys.readouterr().err


def test_error_of_a_task_is_explained_without_its_group() -> None:
    error = CallFailed("gone", code="UNAVAILABLE")
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [error]), ValueError("later")])
    assert main.first_of(group) is error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CallFailed("gone", code="UNAVAILABLE"), ExitCode.UNREACHABLE),
        (CallFailed("slow", code="DEADLINE_EXCEEDED"), ExitCode.UNREACHABLE),
        (CallFailed("none", code="NOT_FOUND"), ExitCode.NOT_FOUND),
        (CallFailed("wrong", code="INVALID_ARGUMENT"), ExitCode.USAGE),
        (CallFailed("who", code="UNAUTHENTICATED"), ExitCode.FAILED),
        (errors.Unavailable("gone"), ExitCode.UNREACHABLE),
        (errors.NotFound(), ExitCode.NOT_FOUND),
        (BadInput("file"), ExitCode.USAGE),
        (Failed("no"), ExitCode.FAILED),
        (errors.Misconfigured("setting"), ExitCode.FAILED),
    ],
)
def test_exit_code_says_why(error: errors.KladezError | CallFailed, code: ExitCode) -> None:
    assert exit_code(error) == code


def test_wrong_fields_are_explained_one_a_line() -> None:
    violations = (FieldViolation(field="query", description="is required"),)
    error = CallFailed("invalid", code="INVALID_ARGUMENT", violations=violations)
    assert explanation(error) == "query: is required"


def test_waiting_is_advised_when_it_helps() -> None:
    error = CallFailed("too many", code="RESOURCE_EXHAUSTED", retry_after_seconds=2.5)
    assert explanation(error) == "too many\nTry again in 2.5 s."


def test_json_of_a_response_names_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    output.json_message(status.sync_pb.GetSyncStatusResponse(synced_count=3))
    shown = json.loads(capsys.readouterr().out)
    assert shown["synced_count"] == "3"
    assert shown["pending_count"] == "0"


def test_table_in_a_pipe_is_tab_separated_lines(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("a", "b"), [("x [bold]", "two\nlines"), (1, "")])
    assert capsys.readouterr().out == "x [bold]\ttwo lines\n1\t\n"


@pytest.mark.parametrize("use_grpcurl", [True, False])
def test_pasted_line_reads_the_key_from_a_file(tmp_path: Path, use_grpcurl: bool) -> None:
    folder = tmp_path / "a folder's name"
    folder.mkdir()
    profiles.save(folder, PROFILE)
    file = profiles.header_file(folder)
    line = announcing.curl_line(PROFILE.service_address, file, use_grpcurl=use_grpcurl)
    assert PROFILE.service_address in line
    shown = f'printf "%s\\n" {line}'
    words = subprocess.run(
        ["sh", "-c", shown], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    header = words[words.index("-H") + 1]
    expected = f"authorization: Bearer {PROFILE.tenant_key}"
    assert header == (expected if use_grpcurl else f"@{file}")
    assert file.read_text() == f"{expected}\n"


def test_nothing_that_is_announced_is_secret(tmp_path: Path) -> None:
    said = announcing.announcement(PROFILE, page="http://page", public_key="public", data_dir=tmp_path)
    keys = (PROFILE.operator_key, PROFILE.tenant_key, PROFILE.channel_key, PROFILE.bot_key)
    secrets = (*keys, PROFILE.session_secret)
    assert [secret for secret in secrets if secret in str(said)] == []


def test_pasted_question_names_the_folder() -> None:
    assert "--data-dir /elsewhere" in announcing.ask_line(Path("/elsewhere"))


def test_key_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("kld_from_file\n")
    assert main.key_from_file(str(tmp_path / "key"), "") == "kld_from_file"


def test_key_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("kld_from_input\n"))
    assert main.key_from_file("-", "") == "kld_from_input"


def test_key_file_is_named_when_it_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    for name, fault in (("absent", "No such file"), ("empty", "holds no key")):
        with pytest.raises(BadInput, match=fault):
            main.key_from_file(str(tmp_path / name), "")
    with pytest.raises(BadInput, match="--key and --key-file"):
        main.key_from_file(str(tmp_path / "empty"), "kld_one")


def test_no_browser_is_opened_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("CI", "true")
    assert not announcing.has_display()


@pytest.mark.parametrize("name", ["Gráfica Três Cores", "tea-shop", "0" * 31])
def test_tenants_name_is_told_from_its_id(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--tenant", name, "ask", "oi"]) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "--tenant" in told
    assert "kladez tenant list" in told
