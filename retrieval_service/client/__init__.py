"""The one door to the retrieval service for the bot, the gateway, the command line and other programs.

Requests and responses are the messages of `kladez.v1`; failures are `CallFailed`. An address or a file
that cannot be used is `Misconfigured`. Importing this package needs grpcio and pydantic-settings alone.
"""

from __future__ import annotations

from retrieval_service.client.connecting import Client, connect
from retrieval_service.client.failures import CallFailed, FieldViolation
from retrieval_service.client.tls import Tls
from retrieval_service.client.tls import from_environment as tls_from_environment
from retrieval_service.errors import Misconfigured

__all__ = [
    "CallFailed",
    "Client",
    "FieldViolation",
    "Misconfigured",
    "Tls",
    "connect",
    "tls_from_environment",
]
