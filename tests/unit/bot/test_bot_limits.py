"""Flood control: one chat's wait is its own; what a person waits for is repeated, a frame is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from telegram.error import BadRequest, RetryAfter

from bot.limits import FINAL_ATTEMPTS, ChatRateLimiter, Delivery, seconds


@dataclass(kw_only=True)
class Clock:
    """Time that passes only by sleeping."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def read(self) -> float:
        return self.now

    async def sleep(self, duration: float) -> None:
        self.now += duration
        if duration:
            self.slept.append(duration)


@dataclass(kw_only=True)
class Telegram:
    """Answers calls with the given errors first, then with success."""

    errors: list[Exception] = field(default_factory=list)
    calls: int = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "sent"


def limiter(clock: Clock) -> ChatRateLimiter:
    return ChatRateLimiter(clock=clock.read, sleep=clock.sleep)


async def call(
    limits: ChatRateLimiter, telegram: Telegram, *, chat_id: int = 1, delivery: Delivery | None = None
) -> Any:
    return await limits.process_request(telegram, (), {}, "sendMessage", {"chat_id": chat_id}, delivery)


async def test_a_final_call_waits_out_every_flood_and_is_delivered() -> None:
    clock, telegram = Clock(), Telegram(errors=[RetryAfter(7), RetryAfter(3)])
    assert await call(limiter(clock), telegram) == "sent"
    assert clock.slept == [7.0, 3.0]
    assert telegram.calls == 3


async def test_a_frame_is_given_up_at_the_first_flood() -> None:
    clock, telegram = Clock(), Telegram(errors=[RetryAfter(7)])
    with pytest.raises(RetryAfter):
        await call(limiter(clock), telegram, delivery=Delivery.FRAME)
    assert not clock.slept
    assert telegram.calls == 1


async def test_a_frame_in_a_flooded_chat_never_reaches_telegram() -> None:
    clock, telegram = Clock(), Telegram(errors=[RetryAfter(7)])
    limits = limiter(clock)
    with pytest.raises(RetryAfter):
        await call(limits, telegram, delivery=Delivery.FRAME)
    clock.now += 4.5
    with pytest.raises(RetryAfter) as raised:
        await call(limits, telegram, delivery=Delivery.FRAME)
    assert seconds(raised.value) == 3.0
    assert telegram.calls == 1
    clock.now += 2.5
    assert await call(limits, telegram, delivery=Delivery.FRAME) == "sent"


async def test_a_final_call_after_a_flooded_frame_waits_first() -> None:
    clock, telegram = Clock(), Telegram(errors=[RetryAfter(7)])
    limits = limiter(clock)
    with pytest.raises(RetryAfter):
        await call(limits, telegram, delivery=Delivery.FRAME)
    assert await call(limits, telegram, delivery=Delivery.FINAL) == "sent"
    assert clock.slept == [7.0]


async def test_one_chats_flood_does_not_hold_up_another() -> None:
    clock, telegram = Clock(), Telegram(errors=[RetryAfter(7)])
    limits = limiter(clock)
    with pytest.raises(RetryAfter):
        await call(limits, telegram, chat_id=1, delivery=Delivery.FRAME)
    assert await call(limits, telegram, chat_id=2) == "sent"
    assert not clock.slept


async def test_a_flood_without_end_is_reported_after_the_last_attempt() -> None:
    clock, telegram = Clock(), Telegram(errors=[RetryAfter(5)] * 100)
    with pytest.raises(RetryAfter):
        await call(limiter(clock), telegram)
    assert telegram.calls == FINAL_ATTEMPTS


async def test_other_refusals_are_not_repeated() -> None:
    telegram = Telegram(errors=[BadRequest("chat not found")])
    with pytest.raises(BadRequest):
        await call(limiter(Clock()), telegram)
    assert telegram.calls == 1
