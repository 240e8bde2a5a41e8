"""A profile for tests of the command line."""

from __future__ import annotations

from retrieval_service.cli.profile import Profile

PROFILE = Profile(
    service_address="127.0.0.1:50051",
    tenant_id="demo-tenant",
    operator_key="key-of-the-operator",
    tenant_key="key-of-the-tenant",
    channel_key="key-of-the-channels",
    session_secret="secret-of-the-sessions",
    bot_key="key-of-the-bot",
)
