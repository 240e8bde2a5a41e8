"""What a model writes is collected up to a limit, and others get their turn between any two pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from retrieval_service.domain.fragments import AnswerPart, Ending, FinishReason, TextPart
from retrieval_service.providers.openai.chat.streaming import collected

ENDING = Ending(finish_reason=FinishReason.STOP, input_tokens=3, output_tokens=5)


async def spoken(pieces: int, ended: list[bool]) -> AsyncGenerator[AnswerPart, None]:
    """Pieces that are all there already, as of a model that is faster than we are."""
    try:
        for _ in range(pieces):
            yield TextPart(text="word. ")
        yield ENDING
    finally:
        ended.append(True)


async def test_all_of_it_and_its_ending_are_collected() -> None:
    assert await collected(spoken(3, []), 1_000) == ("word. word. word. ", ENDING)


async def test_model_that_knows_no_end_is_cut_off_and_closed() -> None:
    ended: list[bool] = []
    text, ending = await collected(spoken(1_000_000, ended), 100)
    assert len(text) == 100
    assert ending.finish_reason is FinishReason.LENGTH
    assert ended == [True]


async def test_others_get_their_turn_between_any_two_pieces() -> None:
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await collected(spoken(50, []), 1_000)
    beside.cancel()
    assert len(turns) >= 50
