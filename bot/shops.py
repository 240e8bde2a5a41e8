"""Finds the shop of a public key, and its greeting and suggestions."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from kladez.v1 import tenant_service_pb2 as tenants_pb

from bot.state import Binding
from bot.texts import Texts
from retrieval_service.client import CallFailed, Client

Value = TypeVar("Value")


class UnknownShop(Exception):
    """No shop has this public key."""


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A shop as customers see it."""

    binding: Binding
    description: tenants_pb.ResolvePublicKeyResponse

    def greeting(self, texts: Texts) -> str:
        own = in_language(self.description.greetings, texts.code, self.binding.shop_language)
        return own or texts.greeting.format(shop=self.description.name)

    def suggested_questions(self, texts: Texts) -> list[str]:
        questions = self.description.suggested_questions
        offered = in_language(questions, texts.code, self.binding.shop_language)
        return list(offered.questions) if offered else []


async def find_shop(knowledge: Client, key: str) -> Shop:
    """The shop; raises `UnknownShop`, or `CallFailed` when the service cannot tell."""
    request = tenants_pb.ResolvePublicKeyRequest(public_key=normal_key(key))
    try:
        description = await knowledge.resolve_public_key(request)
    except CallFailed as error:
        if error.code in {"NOT_FOUND", "INVALID_ARGUMENT"}:
            raise UnknownShop from error
        raise
    binding = Binding(
        public_key=request.public_key,
        tenant_id=description.tenant_id,
        shop_language=next(iter(description.languages), ""),
    )
    return Shop(binding=binding, description=description)


def normal_key(key: str) -> str:
    """The key as a UUID with dashes; deep links often drop them to stay short."""
    try:
        return str(uuid.UUID(key))
    except ValueError as error:
        raise UnknownShop from error


def in_language(by_language: Mapping[str, Value], *codes: str) -> Value | None:
    """The first entry that exists. Protobuf maps are tested with `in`, because reading a missing key adds it."""
    return next((by_language[code] for code in codes if code in by_language), None)
