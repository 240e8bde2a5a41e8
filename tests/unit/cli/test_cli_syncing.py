"""What `kladez sync` shows, and what it refuses before it calls anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from kladez.v1 import sync_service_pb2 as pb

from retrieval_service.cli import main
from retrieval_service.cli.commands.sync import drift_rows, job_row, mirror_rows
from retrieval_service.cli.failures import ExitCode


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync", "jobs", "--status", "dead"),
        ("sync", "jobs", "--target", "elsewhere"),
        ("sync", "jobs", "--limit", "0"),
        ("sync", "log", "--limit", "201"),
        ("sync", "retry", "seven"),
    ],
)
def test_unclear_choice_ends_with_usage(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens at the address: a call would end with another code."""
    told = ["--address", "127.0.0.1:1", "--key", "x", "--data-dir", str(tmp_path)]
    assert main.run([*arguments, *told]) == ExitCode.USAGE
    assert capsys.readouterr().out == ""


def test_purged_documents_job_is_shown_by_the_documents_id() -> None:
    job = pb.SyncJob(sync_job_id=7, document_id="abc", action=pb.SYNC_ACTION_DELETE)
    assert job_row(job)[:3] == ("7", "abc", "delete")


def test_job_shows_the_callers_own_key() -> None:
    job = pb.SyncJob(
        source_type="faq", external_id="чай", target=pb.SYNC_TARGET_OPENAI, status=pb.SYNC_JOB_STATUS_ERROR
    )
    assert job_row(job)[1:5] == ("faq/чай", "unspecified", "openai", "error")


def test_tenant_without_a_mirror_shows_none() -> None:
    assert mirror_rows(pb.GetSyncStatusResponse()) == []


def test_mirror_without_a_store_says_so() -> None:
    response = pb.GetSyncStatusResponse(mirror=pb.MirrorStatus(is_mirrored=True, pending_count=2))
    assert mirror_rows(response)[:3] == [
        ("vector store", "none yet"),
        ("at the provider", "0"),
        ("on their way there", "2"),
    ]


def test_drift_is_shown_by_documents_and_without_any_by_files() -> None:
    response = pb.RepairDriftResponse(
        drifts=[
            pb.Drift(
                kind=pb.DRIFT_KIND_UNKNOWN_FILE, count=1, sample_document_ids=["d"], sample_file_ids=["f"]
            ),
            pb.Drift(kind=pb.DRIFT_KIND_EXTRA, count=1, sample_file_ids=["x"]),
        ]
    )
    assert drift_rows(response) == [("unknown file", "1", "d"), ("extra", "1", "x")]
