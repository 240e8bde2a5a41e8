"""The chat log as a spreadsheet gets it."""

from __future__ import annotations

from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import insight_service_pb2 as pb

from retrieval_service.cli.commands.chats import COLUMNS, cells


def test_sentences_without_support_have_a_column_of_their_own() -> None:
    answer = answers_pb.Answer(
        text="Чай 🍵 по 300 ₽. Доставка завтра. Скидка 90 %.",
        unsupported=[
            answers_pb.UnsupportedRange(start_offset=0, end_offset=15),
            answers_pb.UnsupportedRange(start_offset=33, end_offset=45),
        ],
    )
    row = cells(pb.ChatLog(answer=answer))
    assert tuple(row) == COLUMNS
    assert row["unsupported"] == "Чай 🍵 по 300 ₽. … Скидка 90 %."
