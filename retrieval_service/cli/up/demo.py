"""The demo shop: one tenant with a catalogue in Russian and help texts in Russian, English and Portuguese."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from google.protobuf import field_mask_pb2
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.cli.profile import Profile
from retrieval_service.client import CallFailed, Client

LANGUAGES = ("ru", "en", "pt")
QUESTION = "Какой чай без кофеина выпить на ночь?"

_NAME = "Чайная миля"
_CONTACT = "help@tea-mile.example"
_GREETINGS = {
    "ru": "Здравствуйте! Спросите о чае, доставке или возврате.",
    "en": "Hello! Ask about delivery, payment or returns.",
    "pt": "Olá! Pergunte sobre entrega, pagamento ou devolução.",
}
_QUESTIONS = {
    "ru": (QUESTION, "Сколько стоит доставка?", "Как вернуть заказ?"),
    "en": ("How much is delivery?", "How long do I have to return an order?"),
    "pt": ("Quanto custa a entrega?", "Quantos dias tenho para devolver um pedido?"),
}


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Counts over all catalogues."""

    created_count: int = 0
    updated_count: int = 0
    unchanged_count: int = 0

    def plus(self, summary: documents_pb.ImportSummary) -> Imported:
        return Imported(
            created_count=self.created_count + summary.created_count,
            updated_count=self.updated_count + summary.updated_count,
            unchanged_count=self.unchanged_count + summary.unchanged_count,
        )


def catalogue(language: str) -> Path:
    return Path(str(resources.files("retrieval_service") / "demo" / f"shop.{language}.json"))


async def with_tenant(profile: Profile, operator: Client) -> Profile:
    """The profile with a demo shop that exists: the known one, taken back if deleted, or a new one."""
    tenant = await _known(profile, operator) or await _create(operator)
    if tenant.HasField("delete_time"):
        await operator.undelete_tenant(tenants_pb.UndeleteTenantRequest(tenant_id=tenant.tenant_id))
    return replace(profile, tenant_id=tenant.tenant_id)


async def open_to(origins: Sequence[str], tenant_id: str, operator: Client) -> tenants_pb.Tenant:
    """The shop, with the widget allowed on pages of these origins only."""
    tenant = (await operator.get_tenant(tenants_pb.GetTenantRequest(tenant_id=tenant_id))).tenant
    if list(tenant.settings.allowed_origins) == list(origins):
        return tenant
    changed = tenants_pb.Tenant(
        tenant_id=tenant_id, settings=tenants_pb.TenantSettings(allowed_origins=origins)
    )
    request = tenants_pb.UpdateTenantRequest(
        tenant=changed, update_mask=field_mask_pb2.FieldMask(paths=["settings.allowed_origins"])
    )
    return (await operator.update_tenant(request)).tenant


async def import_catalogue(language: str, client: Client) -> documents_pb.ImportSummary:
    shop_json = await asyncio.to_thread(catalogue(language).read_bytes)
    request = documents_pb.ImportShopRequest(shop_json=shop_json, language=language)
    return (await client.import_shop(request)).summary


async def _known(profile: Profile, operator: Client) -> tenants_pb.Tenant | None:
    if not profile.tenant_id:
        return None
    try:
        return (await operator.get_tenant(tenants_pb.GetTenantRequest(tenant_id=profile.tenant_id))).tenant
    except CallFailed as error:
        if error.code != "NOT_FOUND":
            raise
        return None


async def _create(operator: Client) -> tenants_pb.Tenant:
    settings = tenants_pb.TenantSettings(
        languages=LANGUAGES,
        fallback_contact=_CONTACT,
        greetings=_GREETINGS,
        suggested_questions={
            language: tenants_pb.SuggestedQuestions(questions=questions)
            for language, questions in _QUESTIONS.items()
        },
    )
    tenant = tenants_pb.Tenant(name=_NAME, settings=settings)
    return (await operator.create_tenant(tenants_pb.CreateTenantRequest(tenant=tenant))).tenant
