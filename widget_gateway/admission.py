"""Admission of questions: whether one may be asked now, and if not, why and how long to wait."""

from __future__ import annotations

import time
from dataclasses import dataclass

from widget_gateway.config import Settings
from widget_gateway.limits import Buckets, DailyQuota

SECONDS_PER_MINUTE = 60.0
BUSY_SECONDS = 3.0
# The default share of an address: a shop's day divided by this number.
SHARES = 10


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A visitor. The address is a keyed hash; so is the visitor, which outlives this process."""

    tenant_id: str
    session_id: str
    address: str
    visitor: str


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A code of the protocol and, when waiting helps, the seconds to wait."""

    code: str
    retry_after: float | None = None


class Admission:
    """The limits of one gateway process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions = Buckets(settings.session_questions_per_minute, period_seconds=SECONDS_PER_MINUTE)
        self._addresses = Buckets(settings.address_questions_per_minute, period_seconds=SECONDS_PER_MINUTE)
        self._shares = DailyQuota(address_share(settings))
        self._shops = DailyQuota(settings.shop_questions_per_day)

    def refusal(self, question: str, visitor: Visitor, *, in_session: int, at_once: int) -> Refusal | None:
        """None when the question is allowed, which then counts. `in_session` and `at_once` are the running answers."""
        return (
            self._malformed(question)
            or self._busy(in_session=in_session, at_once=at_once)
            or self._too_often(visitor)
            or self._day_is_spent(visitor)
        )

    def forgive(self, visitor: Visitor) -> None:
        """Gives a courtesy back to all quotas."""
        now = time.time()
        self._shares.give_back((visitor.tenant_id, visitor.address), now)
        self._shops.give_back(visitor.tenant_id, now)

    def _malformed(self, question: str) -> Refusal | None:
        if not question:
            return Refusal(code="empty")
        return Refusal(code="too_long") if len(question) > self._settings.question_characters else None

    def _busy(self, *, in_session: int, at_once: int) -> Refusal | None:
        busy = in_session >= self._settings.answers_per_session or at_once >= self._settings.answers_at_once
        return Refusal(code="busy", retry_after=BUSY_SECONDS) if busy else None

    def _too_often(self, visitor: Visitor) -> Refusal | None:
        now = time.monotonic()
        wait = self._sessions.take((visitor.tenant_id, visitor.session_id), now) or self._addresses.take(
            visitor.address, now
        )
        return Refusal(code="rate_limited", retry_after=wait) if wait else None

    def _day_is_spent(self, visitor: Visitor) -> Refusal | None:
        """Whether the day is used up. The own share is taken first, so that without it nothing of the shop is taken."""
        now = time.time()
        wait = self._shares.take((visitor.tenant_id, visitor.address), now) or self._shops.take(
            visitor.tenant_id, now
        )
        return Refusal(code="quota_spent", retry_after=wait) if wait else None


def address_share(settings: Settings) -> int:
    """The share of a shop's day that one address has."""
    return settings.address_questions_per_day or -(-settings.shop_questions_per_day // SHARES)
