"""A shop of lamps, and answers heard as a client hears them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from kladez.v1 import answer_service_pb2 as pb

from tests.kits.service_kit import Running, Shop, new_shop, upsert, wait_until_indexed

CONTACT = "help@shop.example"
RETURNS = "A lamp may be returned within thirty days. Bulbs are excluded from returns."
QUESTION = "Within how many days may a lamp be returned?"
WAIT_SECONDS = 10.0


async def lamp_shop(running: Running, **settings: object) -> Shop:
    shop = await new_shop(
        running, fallback_contact=CONTACT, system_prompt="Speak like a lighthouse keeper.", **settings
    )
    await upsert(shop, "returns", RETURNS, title="Returns", url="/returns", language="en")
    await upsert(shop, "shipping", "Shipping of a parcel costs five euro.", title="Shipping", language="en")
    await wait_until_indexed(shop)
    return shop


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A whole stream, by kind of event."""

    events: Sequence[pb.StreamAnswerResponse]

    @property
    def kinds(self) -> list[str | None]:
        return [event.WhichOneof("event") for event in self.events]

    @property
    def started(self) -> pb.AnswerStarted:
        return self.events[0].started

    @property
    def completed(self) -> pb.AnswerCompleted:
        return self.events[-1].completed

    @property
    def text(self) -> str:
        return "".join(event.delta.text for event in self.events)

    @property
    def citations(self) -> list[pb.Citation]:
        return [event.citation for event in self.events if event.HasField("citation")]

    @property
    def unsupported(self) -> list[pb.UnsupportedRange]:
        return [event.unsupported for event in self.events if event.HasField("unsupported")]

    def flagged(self, reason: pb.UnsupportedReason.ValueType) -> list[str]:
        """The sentences that are marked for this reason."""
        marked = (one for one in self.unsupported if one.reason == reason)
        return [self.text[one.start_offset : one.end_offset] for one in marked]


async def stated(shop: Shop, question: str, told: str) -> Heard:
    """The answer, which must be a fact and say so."""
    heard = await ask(shop, question)
    assert heard.completed.finish_reason == pb.FINISH_REASON_STOP, heard.text
    assert told in heard.text
    return heard


async def not_stated(shop: Shop, question: str) -> Heard:
    """What is heard, which must not be a fact."""
    heard = await ask(shop, question)
    assert heard.completed.finish_reason != pb.FINISH_REASON_STOP, heard.text
    return heard


async def ask(shop: Shop, question: str = QUESTION, **fields: object) -> Heard:
    request = pb.StreamAnswerRequest(question=question, **fields)
    return Heard(events=[event async for event in shop.client.stream_answer(request)])


async def stored(shop: Shop, answer_id: str) -> pb.Answer:
    return (await shop.client.get_answer(pb.GetAnswerRequest(answer_id=answer_id))).answer


async def new_session(shop: Shop, **fields: str) -> str:
    request = pb.CreateSessionRequest(**{"channel": "widget", **fields})
    return (await shop.client.create_session(request)).session_id


def assert_well_formed(heard: Heard) -> None:
    """What holds of every whole stream."""
    assert [event.sequence for event in heard.events] == list(range(len(heard.events)))
    assert heard.kinds[0] == "started"
    assert heard.kinds[-1] == "completed"
    assert {*heard.kinds[1:-1]} <= {"delta", "citation", "unsupported"}
    answer = heard.completed.answer
    assert heard.text == answer.text
    assert list(answer.citations) == heard.citations
    assert list(answer.unsupported) == sorted(heard.unsupported, key=lambda one: one.start_offset)
    assert list(answer.references) == list(heard.started.references)
    known = {reference.number for reference in answer.references}
    assert known == set(range(1, len(known) + 1))
    for citation in heard.citations:
        assert 0 <= citation.start_offset < citation.end_offset <= len(answer.text)
        assert citation.numbers
        assert known.issuperset(citation.numbers)
    for unsupported in heard.unsupported:
        assert 0 <= unsupported.start_offset < unsupported.end_offset <= len(answer.text)
        assert unsupported.reason != pb.UNSUPPORTED_REASON_UNSPECIFIED


async def ended_answer(shop: Shop, answer_id: str) -> pb.Answer:
    """The log is written a moment after the caller has gone."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            answer = await stored(shop, answer_id)
            if answer.status != pb.ANSWER_STATUS_RUNNING:
                return answer
            await asyncio.sleep(0.01)
