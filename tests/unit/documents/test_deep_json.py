"""JSON that is nested too deeply has its own refusal at every door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.api.messages import metadata_messages
from retrieval_service.cli.commands import sql_sources
from retrieval_service.cli.evals import answer_sets, datasets
from retrieval_service.cli.failures import BadInput, Failed
from retrieval_service.domain.documents import shop_rows
from retrieval_service.domain.documents.documents import RefusedMetadata
from retrieval_service.domain.operations import backups
from retrieval_service.text import exact_json
from widget_gateway import frames

DEEP = ["[" * 100_000, '{"a":' * 100_000, '[{"a":' * 100_000]


@pytest.mark.parametrize("text", DEEP, ids=["lists", "objects", "both"])
@pytest.mark.parametrize(
    ("read", "refusal"),
    [
        (exact_json.loads, exact_json.TooDeep),
        (exact_json.loads_stored, exact_json.TooDeep),
        (backups.parsed, backups.Unusable),
        (frames.parse, frames.BadFrame),
    ],
)
def test_text_is_refused(read: Callable[[str], object], refusal: type[Exception], text: str) -> None:
    with pytest.raises(refusal):
        read(text)


@pytest.mark.parametrize("text", DEEP, ids=["lists", "objects", "both"])
@pytest.mark.parametrize(
    ("read", "refusal"),
    [
        (sql_sources.read, BadInput),
        (lambda path: list(datasets.read_objects(path)), BadInput),
        (lambda path: answer_sets.load(str(path)), Failed),
    ],
    ids=["sources", "test set", "answers"],
)
def test_file_is_refused(
    read: Callable[[Path], object], refusal: type[Exception], text: str, tmp_path: Path
) -> None:
    file = tmp_path / "deep.json"
    file.write_text(text)
    with pytest.raises(refusal):
        read(file)


def test_rows_of_a_shop_are_refused() -> None:
    rows, errors = shop_rows.read_rows(b'{"products": ' + b"[" * 100_000)
    assert (rows, [one.description for one in errors]) == ([], ["is nested too deeply"])


def test_metadata_are_refused() -> None:
    document = documents_pb.Document(metadata_json='{"a": ' + "[" * 100_000)
    assert isinstance(metadata_messages.read(document), RefusedMetadata)
