"""What `kladez reindex --changed` asks for."""

from __future__ import annotations

from kladez.v1 import index_job_service_pb2 as pb

from retrieval_service.cli.commands.reindex import changed_scope


def test_rows_are_named_by_source_and_ids_of_one_source_add_up() -> None:
    changed = changed_scope(["orders=1,2", "teas=чай, a=b ", "orders=3"]).changed
    assert {name: list(rows.ids) for name, rows in changed.sources.items()} == {
        "orders": ["1", "2", "3"],
        "teas": ["чай", "a=b"],
    }


def test_source_alone_means_whatever_changed_in_it() -> None:
    scope = changed_scope(["orders"])
    assert scope.WhichOneof("scope") == "changed"
    assert dict(scope.changed.sources) == {"orders": pb.ChangedIds()}
