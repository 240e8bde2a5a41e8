"""Tenants, their settings and keys as messages of the contract, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kladez.v1 import (
    common_pb2,
    tenant_service_pb2,
)

from retrieval_service.api.access.policies import CHANNEL, OPERATOR, TENANT_READ, TENANT_WRITE
from retrieval_service.api.messages.common_messages import timestamp
from retrieval_service.domain.retrieval.backends import Backend, Choice
from retrieval_service.domain.tenants.quotas import Quotas
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.domain.tenants.tenants import ApiKey, Tenant

SCOPES = {
    tenant_service_pb2.SCOPE_OPERATOR: OPERATOR,
    tenant_service_pb2.SCOPE_TENANT_WRITE: TENANT_WRITE,
    tenant_service_pb2.SCOPE_TENANT_READ: TENANT_READ,
    tenant_service_pb2.SCOPE_CHANNEL: CHANNEL,
}

SCOPE_NUMBERS = {name: number for number, name in SCOPES.items()}

CHOICES = {
    common_pb2.RETRIEVAL_BACKEND_DEFAULT: Choice.DEFAULT,
    common_pb2.RETRIEVAL_BACKEND_PGVECTOR: Choice.PGVECTOR,
    common_pb2.RETRIEVAL_BACKEND_OPENAI: Choice.OPENAI,
}

CHOICE_NUMBERS = {choice: number for number, choice in CHOICES.items()}

BACKEND_NUMBERS = {
    Backend.PGVECTOR: common_pb2.RETRIEVAL_BACKEND_PGVECTOR,
    Backend.OPENAI: common_pb2.RETRIEVAL_BACKEND_OPENAI,
}


def tenant(row: Tenant) -> tenant_service_pb2.Tenant:
    return tenant_service_pb2.Tenant(
        tenant_id=str(row.id),
        public_key=str(row.public_key),
        name=row.name,
        settings=tenant_settings(TenantSettings.from_json(row.settings)),
        etag=str(row.version),
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
        delete_time=timestamp(row.deleted_at),
    )


def tenant_settings(settings: TenantSettings) -> tenant_service_pb2.TenantSettings:
    return tenant_service_pb2.TenantSettings(
        languages=settings.languages,
        system_prompt=settings.system_prompt,
        fallback_contact=settings.fallback_contact,
        allowed_origins=settings.allowed_origins,
        allowed_link_domains=settings.allowed_link_domains,
        trusted_source_types=settings.trusted_source_types,
        untrusted_source_types=settings.untrusted_source_types,
        greetings=settings.greetings,
        suggested_questions=suggestions(settings),
        chat_retention_days=settings.chat_retention_days,
        index_granularity=settings.index_granularity,
        quotas=quotas(settings.quotas),
    )


def quotas(limits: Quotas) -> tenant_service_pb2.Quotas | None:
    """None when all quotas are the installation's."""
    return tenant_service_pb2.Quotas(**asdict(limits)) if limits != Quotas() else None


def suggestions(settings: TenantSettings) -> dict[str, tenant_service_pb2.SuggestedQuestions]:
    return {
        code: tenant_service_pb2.SuggestedQuestions(questions=questions)
        for code, questions in settings.suggested_questions.items()
    }


def settings_json(message: tenant_service_pb2.TenantSettings) -> dict[str, Any]:
    """All settings of the message, by name, as `TenantSettings.from_json` takes them."""
    return {
        "languages": list(message.languages),
        "system_prompt": message.system_prompt,
        "fallback_contact": message.fallback_contact,
        "allowed_origins": list(message.allowed_origins),
        "chat_retention_days": message.chat_retention_days,
        "allowed_link_domains": list(message.allowed_link_domains),
        "trusted_source_types": list(message.trusted_source_types),
        "untrusted_source_types": list(message.untrusted_source_types),
        "greetings": dict(message.greetings),
        "suggested_questions": {
            code: list(one.questions) for code, one in message.suggested_questions.items()
        },
        "index_granularity": message.index_granularity,
        "quotas": {one.name: getattr(message.quotas, one.name) for one in message.quotas.DESCRIPTOR.fields},
    }


def public_tenant(row: Tenant) -> tenant_service_pb2.ResolvePublicKeyResponse:
    settings = TenantSettings.from_json(row.settings)
    return tenant_service_pb2.ResolvePublicKeyResponse(
        tenant_id=str(row.id),
        name=row.name,
        languages=settings.languages,
        allowed_origins=settings.allowed_origins,
        greetings=settings.greetings,
        suggested_questions=suggestions(settings),
        fallback_contact=settings.fallback_contact,
    )


def api_key(row: ApiKey) -> tenant_service_pb2.ApiKey:
    return tenant_service_pb2.ApiKey(
        api_key_id=str(row.id),
        tenant_id=str(row.tenant_id) if row.tenant_id else "",
        scopes=[SCOPE_NUMBERS[scope] for scope in row.scopes],
        display_name=row.display_name,
        create_time=timestamp(row.created_at),
        revoke_time=timestamp(row.revoked_at),
    )
