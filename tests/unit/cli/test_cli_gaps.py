"""A list of gaps stays a list, however long a question is."""

from __future__ import annotations

from retrieval_service.cli.commands.gaps import LONGEST_SHOWN, shortened


def test_a_long_question_is_cut_to_one_line() -> None:
    assert len(shortened("word " * 400)) <= LONGEST_SHOWN
    assert shortened("word " * 400).endswith("word…")


def test_a_short_question_is_whole_on_one_line() -> None:
    assert shortened("How much\nis it?") == "How much is it?"
