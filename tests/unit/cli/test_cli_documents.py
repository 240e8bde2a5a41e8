"""What `kladez document` refuses before it calls anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval_service.cli import main
from retrieval_service.cli.failures import ExitCode


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete", "--confirm"),
        ("delete", "--tag", "a", "--section", "b", "--confirm"),
        ("purge", "--confirm"),
        ("purge", "--deleted", "--tag", "old", "--confirm"),
        ("reindex",),
        ("get", "period"),
        ("move", "article/"),
    ],
)
def test_unclear_choice_ends_with_usage(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens at the address: a call would end with another code."""
    told = ["--address", "127.0.0.1:1", "--key", "x", "--data-dir", str(tmp_path)]
    assert main.run(["document", *arguments, *told]) == ExitCode.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
