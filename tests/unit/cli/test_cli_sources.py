"""What is read for an import: lines, folders, chunks, parts of shops and test sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.cli.commands import sql_sources
from retrieval_service.cli.evals import datasets
from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.imports import files, sending, shop_parts
from retrieval_service.cli.imports.files import Folder, JsonLines, Problem, Row


def rows_of(entries: Sequence[Row | Problem]) -> list[Row]:
    return [entry for entry in entries if isinstance(entry, Row)]


def problems_of(entries: Sequence[Row | Problem]) -> list[tuple[str, str, str]]:
    return [(entry.place, entry.field, entry.description) for entry in entries if isinstance(entry, Problem)]


def jsonl(folder: Path, *lines: str) -> JsonLines:
    path = folder / "documents.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return JsonLines(path=path)


def row(number: int, content: str = "text") -> Row:
    document = documents_pb.Document(source_type="note", external_id=str(number), content=content)
    return Row(place=f"line {number}", document=document)


def test_line_becomes_a_document_with_its_metadata(tmp_path: Path) -> None:
    source = jsonl(tmp_path, '{"source_type": "note", "tags": ["a"], "metadata": {"level": 2}}')
    [document] = [one.document for one in rows_of(list(source.entries()))]
    assert document.source_type == "note"
    assert list(document.tags) == ["a"]
    assert document.metadata["level"] == 2


def test_bad_lines_are_named_with_line_and_field_and_good_ones_are_kept(tmp_path: Path) -> None:
    source = jsonl(
        tmp_path,
        '{"content": "good"}',
        "",
        "not json",
        "[]",
        '{"content": 5, "titel": "x"}',
        '{"content": "also good"}',
    )
    entries = list(source.entries())
    assert [one.place for one in rows_of(entries)] == ["line 1", "line 6"]
    places = [(place, field) for place, field, _ in problems_of(entries)]
    assert places == [("line 3", ""), ("line 4", ""), ("line 5", "content"), ("line 5", "titel")]


def test_byte_order_mark_and_other_alphabets_are_read(tmp_path: Path) -> None:
    source = jsonl(tmp_path, '\ufeff{"content": "чай"}')
    assert [one.document.content for one in rows_of(list(source.entries()))] == ["чай"]


def test_document_that_would_break_the_import_off_is_refused_alone(tmp_path: Path) -> None:
    source = jsonl(tmp_path, json.dumps({"content": "x" * 2_000_000}), '{"content": "small"}')
    entries = list(source.entries())
    assert [(place, field) for place, field, _ in problems_of(entries)] == [("line 1", "content")]
    assert len(rows_of(entries)) == 1


def test_folder_is_read_in_order_with_titles_from_headings(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub" / "b.md").write_text("intro\n\n## Доставка\n\ntext")
    (tmp_path / "a.txt").write_text("# not a heading in plain text")
    (tmp_path / ".git" / "c.md").write_text("hidden")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    found = [one.document for one in rows_of(list(Folder(path=tmp_path).entries()))]
    assert [(one.external_id, one.title, one.content_type) for one in found] == [
        ("a.txt", "a.txt", "text/plain"),
        ("sub/b.md", "Доставка", "text/markdown"),
    ]
    assert {one.source_type for one in found} == {"article"}


def test_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("preço".encode("latin-1"))
    assert problems_of(list(Folder(path=tmp_path).entries())) == [("latin.txt", "content", "is not UTF-8")]


def test_import_id_follows_file_and_content(tmp_path: Path) -> None:
    first = sending.import_id_of(jsonl(tmp_path, '{"content": "a"}'))
    assert sending.import_id_of(jsonl(tmp_path, '{"content": "a"}')) == first
    assert sending.import_id_of(jsonl(tmp_path, '{"content": "b"}')) != first
    assert sending.import_id_of(Folder(path=tmp_path)) != first


def test_import_id_of_a_folder_changes_when_a_file_is_renamed(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    first = sending.import_id_of(Folder(path=tmp_path))
    (tmp_path / "a.md").rename(tmp_path / "b.md")
    assert sending.import_id_of(Folder(path=tmp_path)) != first


def test_only_json_lines_and_folders_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b")
    for name in ("table.csv", "missing.jsonl"):
        with pytest.raises(BadInput, match=name):
            files.open_source(tmp_path / name)


def test_lines_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.symlink_to("/proc/self/mem")  # opens for everybody, and fails at its first byte
    with pytest.raises(BadInput, match=f"^{path} cannot be read: Input/output error"):
        sending.import_id_of(files.open_source(path))


@pytest.mark.parametrize("text", ["5", '"orders"', "null", '[{"name": "orders"}, 5]'])
def test_declared_source_that_is_no_object_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sources.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=f"^{path}: a source must be an object"):
        sql_sources.read(path)


def test_chunks_have_no_gaps_and_keep_the_limits() -> None:
    found = list(sending.chunks(iter([row(number) for number in range(450)]), 0))
    assert [(one.first_sequence, len(one.documents)) for one in found] == [(0, 200), (200, 200), (400, 50)]


def test_large_documents_make_smaller_chunks() -> None:
    found = list(sending.chunks(iter([row(number, "x" * 400_000) for number in range(5)]), 0))
    assert [len(one.documents) for one in found] == [2, 2, 1]
    assert all(sum(document.ByteSize() for document in one.documents) <= 1024 * 1024 for one in found)


def test_resumed_chunks_begin_where_the_service_stood() -> None:
    found = list(sending.chunks(iter([row(number) for number in range(450)]), 430))
    assert [(one.first_sequence, len(one.documents)) for one in found] == [(430, 20)]
    assert found[0].documents[0].external_id == "430"


def test_nothing_left_makes_no_chunk() -> None:
    assert list(sending.chunks(iter([row(0)]), 1)) == []


def shop(count: int) -> bytes:
    products = [{"id": f"p{number}", "name": "Чай", "description": "слово " * 200} for number in range(count)]
    whole = {"faq": [{"question": "q", "answer": "a"}], "products": products}
    return json.dumps(whole, ensure_ascii=False, indent=1).encode()


def test_small_shop_is_sent_as_it_is() -> None:
    assert shop_parts.split(b"not even json") == ([shop_parts.Part(shop_json=b"not even json")], [])


def test_large_shop_is_cut_without_losing_a_row() -> None:
    parts, errors = shop_parts.split(shop(1_000))
    assert errors == []
    assert len(parts) > 1
    assert all(len(part.shop_json) <= shop_parts.MAX_PART_BYTES for part in parts)
    read = [json.loads(part.shop_json) for part in parts]
    ids = [product["id"] for one in read for product in one.get("products", [])]
    assert ids == [f"p{number}" for number in range(1_000)]
    assert sum(len(one.get("faq", [])) for one in read) == 1


def test_error_in_a_later_part_is_found_again_in_the_file() -> None:
    whole = shop(1_000)
    parts, _ = shop_parts.split(whole)
    in_second = json.loads(parts[1].shop_json)["products"][0]["id"]
    error = documents_pb.ShopRowError(list="products", index=0, line=1, field="name", description="wrong")
    original = parts[1].original(error)
    assert f"p{original.index}" == in_second
    following = b"\n".join(whole.splitlines()[original.line - 1 : original.line + 2])
    assert f'"id": "{in_second}"'.encode() in following


def test_row_that_fits_nowhere_is_reported_and_the_others_are_sent() -> None:
    whole = {"products": [{"id": "huge", "description": "x" * 1_100_000}, {"id": "small"}]}
    parts, [error] = shop_parts.split(json.dumps(whole).encode())
    assert (error.list, error.index) == ("products", 0)
    assert [json.loads(part.shop_json) for part in parts] == [{"products": [{"id": "small"}]}]


def test_large_file_that_is_not_json_has_one_error_and_no_part() -> None:
    parts, [error] = shop_parts.split(b'{"products": [' + b" " * 1_100_000)
    assert parts == []
    assert "is not JSON" in error.description


def written_test_set(folder: Path, *, judgements: str) -> Path:
    (folder / "passages.jsonl").write_text('{"id": "p1", "title": "T", "text": "one\\u2028two"}\n')
    (folder / "queries.jsonl").write_text('{"id": "q1", "text": "?"}\n{"id": "q2", "text": "??"}\n')
    (folder / "qrels.tsv").write_text(judgements)
    return folder


def test_queries_without_a_relevant_passage_are_left_out(tmp_path: Path) -> None:
    dataset = datasets.load(written_test_set(tmp_path, judgements="q1\tp1\t2\nq2\tp1\t0\n"))
    assert [(one.text, one.relevance) for one in dataset.queries] == [("?", {"p1": 2.0})]
    assert dataset.passage_count == 1


@pytest.mark.parametrize("judgements", ["q1 p1 1\n", "q1\tp1\tmuch\n"])
def test_wrong_judgement_is_named_with_its_line(tmp_path: Path, judgements: str) -> None:
    with pytest.raises(BadInput, match=r"qrels\.tsv, line 1"):
        datasets.load(written_test_set(tmp_path, judgements=judgements))
