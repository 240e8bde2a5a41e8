"""The one door to the retrieval service for the bot, the gateway, the command line and other programs.

Requests and responses are the messages of `kladez.v1`; failures are `CallFailed`. Importing this package
needs grpcio alone.
"""

from __future__ import annotations

from retrieval_service.client.connecting import Client, connect
from retrieval_service.client.failures import CallFailed, FieldViolation

__all__ = ["CallFailed", "Client", "FieldViolation", "connect"]
