"""Page tokens: opaque, signed, and bound to tenant, method and request."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from google.protobuf import message

from retrieval_service import errors

SIGNATURE_BYTES = 16


class PageTokens:
    """Signs positions with a key that all servers of one database share."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, position: Sequence[str | int | float], request: message.Message, tenant: str) -> str:
        """A token for the place after `position` in the listing that `request` asks for."""
        body = json.dumps(list(position), separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._sign(body, request, tenant) + body).decode()

    def read(self, token: str, request: message.Message, tenant: str) -> list[Any] | None:
        """The position, None for the first page; raises `Invalid` for a token of another listing or key."""
        if not token:
            return None
        raw = _decoded(token)
        signature, body = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(body, request, tenant)):
            raise _foreign()
        return json.loads(body)

    def _sign(self, body: bytes, request: message.Message, tenant: str) -> bytes:
        method = request.DESCRIPTOR.full_name.encode()  # each method has a request type of its own
        signed = b"\0".join((body, tenant.encode(), method, _listing(request)))
        return hmac.new(self._key, signed, hashlib.sha256).digest()[:SIGNATURE_BYTES]


def page_size(wanted: int, *, default: int, largest: int) -> int:
    """The size to use; raises `Invalid` for a negative one."""
    if wanted < 0:
        raise errors.Invalid([errors.Violation("page_size", "must not be negative")])
    return min(wanted or default, largest)


def _decoded(token: str) -> bytes:
    """Accepts only the canonical spelling: the decoder also takes other alphabets and skips unknown characters."""
    try:
        raw = base64.urlsafe_b64decode(token.encode())
    except ValueError as error:
        raise _foreign() from error
    if base64.urlsafe_b64encode(raw) != token.encode():
        raise _foreign()
    return raw


def _listing(request: message.Message) -> bytes:
    """The request without the fields that may differ between pages."""
    listing = type(request)()
    listing.CopyFrom(request)
    for field in ("page_token", "page_size"):
        listing.ClearField(field)
    return listing.SerializeToString(deterministic=True)


def _foreign() -> errors.Invalid:
    return errors.Invalid([errors.Violation("page_token", "is not from an earlier page of this request")])
