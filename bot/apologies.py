"""A failed call in words a customer understands, with the number that finds it in the log."""

from __future__ import annotations

import math

from bot.texts import Texts
from retrieval_service.client import CallFailed


def apology(error: CallFailed, texts: Texts) -> str:
    """What happened, and the request id when a server gave one."""
    reference = texts.reference.format(request_id=error.request_id) if error.request_id else ""
    return "\n".join(filter(None, (sentence(error, texts), reference)))


def sentence(error: CallFailed, texts: Texts) -> str:
    match error.code:
        case "UNAVAILABLE" | "DEADLINE_EXCEEDED":
            return texts.unavailable
        case "RESOURCE_EXHAUSTED":
            return texts.too_many.format(seconds=math.ceil(error.retry_after_seconds or 60))
        case "PERMISSION_DENIED" | "NOT_FOUND" | "FAILED_PRECONDITION":
            return texts.not_allowed
        case _:
            return texts.failed
