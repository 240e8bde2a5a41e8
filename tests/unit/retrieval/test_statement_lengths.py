"""What a customer waits for is read by the driver once: longer statements it would take apart for every question."""

from __future__ import annotations

import pytest

from retrieval_service.stores.chats import chats
from retrieval_service.stores.retrieval import passages

# So long may one be that psycopg remembers.
LONGEST = 4_096
STATEMENTS = {
    "begin": chats.BEGIN.encode(),
    "count_trial": chats.COUNT_TRIAL.encode(),
    **{
        f"search, {by_document=}, {of_all=}": passages.search_statement(
            1, by_document=by_document, of_all=of_all
        ).as_bytes()
        for by_document in (False, True)
        for of_all in (False, True)
    },
    "read": passages.SELECT_PASSAGES.encode(),
    "around": passages.SELECT_AROUND.encode(),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_of_a_question_is_short_enough_to_be_remembered(name: str) -> None:
    assert len(STATEMENTS[name]) <= LONGEST
