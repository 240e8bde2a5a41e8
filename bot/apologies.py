"""Texts for customers about failed calls, with the number that finds the call in the log."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from bot.texts import Texts
from retrieval_service.client import CallFailed

QUOTA_SPENT = "QUOTA_SPENT"


def apology(error: CallFailed, texts: Texts) -> str:
    """What happened, and the request id when a server gave one."""
    reference = texts.reference.format(request_id=error.request_id) if error.request_id else ""
    return "\n".join(filter(None, (sentence(error, texts), reference)))


def sentence(error: CallFailed, texts: Texts) -> str:
    if error.reason == QUOTA_SPENT:
        return quota_spent(error.retry_after_seconds or 0, texts, datetime.now(UTC))
    match error.code:
        case "UNAVAILABLE" | "DEADLINE_EXCEEDED":
            return texts.unavailable
        case "RESOURCE_EXHAUSTED":
            return texts.too_many.format(seconds=math.ceil(error.retry_after_seconds or 60))
        case "PERMISSION_DENIED" | "NOT_FOUND" | "FAILED_PRECONDITION":
            return texts.not_allowed
        case _:
            return texts.failed


def quota_spent(seconds: float, texts: Texts, now: datetime) -> str:
    """When questions are answered again, in UTC and as a duration."""
    minutes = math.ceil(seconds / 60)
    until = now + timedelta(seconds=seconds)
    wait = texts.hours_and_minutes.format(hours=minutes // 60, minutes=minutes % 60)
    return texts.quota_spent.format(time=f"{until:%H:%M} UTC", wait=wait)
