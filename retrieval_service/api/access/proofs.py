"""Session proofs: a key without `tenant:read` proves a conversation by the conversation's token."""

from __future__ import annotations

from retrieval_service import errors
from retrieval_service.api import calls, fields
from retrieval_service.api.access.policies import TENANT_READ
from retrieval_service.domain.answering.session_proofs import SessionProof
from retrieval_service.services.tenants.authentication import hash_secret


def are_needed() -> bool:
    """Whether the caller may read only conversations that it proves."""
    return TENANT_READ not in calls.caller().scopes


def session_proof(session_id: str, session_token: str) -> SessionProof:
    """From the fields of these names; raises `Invalid`, or `NotFound` when the token is missing."""
    wanted = fields.uuid("session_id", session_id)
    if not are_needed():
        return SessionProof(session_id=wanted)
    if not session_token:
        raise errors.NotFound("session_token: is missing, so this key cannot reach the conversation")
    return SessionProof(session_id=wanted, token_hash=hash_secret(session_token))


def optional_session_proof(session_id: str, session_token: str) -> SessionProof | None:
    """None when no conversation is named, which only callers with `tenant:read` may do."""
    if session_id or are_needed():
        return session_proof(session_id, session_token)
    return None
