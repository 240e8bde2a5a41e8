"""The one door where the SDK's errors become ours, without their texts.

A provider's message may quote the key, the question or the whole request body back, so ours are built from
the status, the error code and the request id alone, and the SDK's error is not chained where it has a body.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import aiohttp
import httpx2
import openai

from retrieval_service import errors, metrics

TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
# These come with 429 or inside a stream, and yet only a person can help.
EXHAUSTED = frozenset({"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"})
REFUSED_IN_STREAM = EXHAUSTED | {
    "bio_policy",
    "context_length_exceeded",
    "data_residency_mismatch",
    "invalid_api_key",
    "invalid_prompt",
    "invalid_request_error",
    "misalignment_policy_violation",
    "model_not_found",
}
# No hyphens: an API key never looks like a code.
# No key, a wrong one, or one that may not do this.
LOCKED_OUT = (401, 403)
MISSING = 404
CODE = re.compile(r"[a-z0-9_]{1,64}")
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@contextmanager
def translated() -> Iterator[None]:
    """One request: raises `errors.ProviderUnavailable` or `errors.ProviderRefused` for whatever the SDK raises."""
    with metrics.provider_call(), _translated():
        yield


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (TimeoutError, openai.APITimeoutError) as error:
        raise errors.ProviderUnavailable("The model provider did not answer in time.") from error
    except (openai.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError) as error:
        raise errors.ProviderUnavailable("The connection to the model provider failed.") from error
    except openai.APIStatusError as error:
        raise from_status(error) from None
    except openai.APIResponseValidationError:
        raise unintelligible() from None
    except openai.APIError as error:
        raise in_stream(error.code or error.type) from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        # Broken JSON passes through the SDK as it is, and these errors carry the text that was read.
        raise unintelligible() from None


def from_status(error: openai.APIStatusError) -> errors.KladezError:
    """Temporary or for good, by the status and by the code that overrules it."""
    message = _sentence(error.status_code, error.code or error.type, error.request_id)
    request = {"provider_request_id": _token(REQUEST_ID, error.request_id)} if error.request_id else {}
    if _is_exhausted(error.code, error.type) or error.status_code in LOCKED_OUT:
        return errors.ProviderLocked(message, **request)
    if not _is_transient(error.status_code):
        kind = errors.ProviderMissing if error.status_code == MISSING else errors.ProviderRefused
        return kind(message, **request)
    wait_seconds = retry_after_seconds(error.response.headers, now=time.time())
    return errors.ProviderUnavailable(message, retry_after_seconds=wait_seconds, **request)


def in_stream(code: str | None) -> errors.KladezError:
    """For an error that arrives as an event of a stream that began well; `code` may also be a status."""
    code = (code or "unknown").lower()
    message = f"The model provider broke off its answer ({_token(CODE, code)})."
    is_refused = not _is_transient(int(code)) if code.isdecimal() else code in REFUSED_IN_STREAM
    return errors.ProviderRefused(message) if is_refused else errors.ProviderUnavailable(message)


def cut_short() -> errors.ProviderUnavailable:
    """For a stream that ends without saying how."""
    return errors.ProviderUnavailable("The model provider's answer ended before it was complete.")


def unintelligible() -> errors.ProviderRefused:
    """For a server that answers, but not in OpenAI's protocol; mostly a wrong base URL."""
    return errors.ProviderRefused("The model provider's answer cannot be understood; check the base URL.")


def retry_after_seconds(headers: Mapping[str, str], *, now: float) -> float | None:
    """What `retry-after-ms` or `Retry-After` asks for, in seconds or as a date; None if unusable."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    return seconds if seconds is not None else _seconds_until(value, now)


def _number(value: str | None) -> float | None:
    is_number = value is not None and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value)
    return float(value) if value is not None and is_number else None


def _seconds_until(date: str | None, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now) if date else None
    except ValueError:
        return None


def _is_transient(status: int) -> bool:
    return status in TRANSIENT_STATUSES or status >= 500


def _is_exhausted(*codes: str | None) -> bool:
    return any(code in EXHAUSTED for code in codes)


def _sentence(status: int, code: str | None, request_id: str | None) -> str:
    request = f", request {_token(REQUEST_ID, request_id)}" if request_id else ""
    return f"The model provider answered {status} ({_token(CODE, code)}{request})."


def _token(pattern: re.Pattern[str], value: str | None) -> str:
    return value if value and pattern.fullmatch(value) else "unknown"
