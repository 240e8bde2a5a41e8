"""Which service a command talks to, with which key and for which tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from retrieval_service import errors
from retrieval_service.cli import profile as profiles
from retrieval_service.cli.options import Options
from retrieval_service.cli.profile import Profile
from retrieval_service.client import CallFailed, Client, connect, tls_from_environment


@dataclass(frozen=True, kw_only=True)
class Target:
    """An empty `tenant_id` leaves it to the key."""

    address: str
    key: str = field(repr=False)
    tenant_id: str = ""


def tenant_target(options: Options, profile: Profile | None) -> Target:
    """For a command about one tenant; without being told, the profile's own."""
    known = _trusted(options, profile)
    if options.key or known is None:
        return _told(options, known)
    if options.tenant_id and options.tenant_id != known.tenant_id:
        return Target(address=known.service_address, key=known.operator_key, tenant_id=options.tenant_id)
    return Target(address=known.service_address, key=known.tenant_key, tenant_id=known.tenant_id)


def operator_target(options: Options, profile: Profile | None) -> Target:
    """For a command about tenants themselves."""
    known = _trusted(options, profile)
    if options.key or known is None:
        return _told(options, known)
    return Target(address=known.service_address, key=known.operator_key)


def declaring_target(options: Options, profile: Profile | None) -> Target:
    """For an operator's command about one tenant; without being told, the profile's own."""
    return replace(operator_target(options, profile), tenant_id=known_tenant(options, profile))


def known_tenant(options: Options, profile: Profile | None) -> str:
    """Of --tenant, KLADEZ_TENANT or the profile; "" where none says it."""
    known = _trusted(options, profile)
    return options.tenant_id or (known.tenant_id if known else "")


@asynccontextmanager
async def tenant_client(options: Options) -> AsyncIterator[Client]:
    profile = await asyncio.to_thread(profiles.load, options.data_dir)
    async with _connected(tenant_target(options, profile)) as client:
        yield client


@asynccontextmanager
async def operator_client(options: Options) -> AsyncIterator[Client]:
    profile = await asyncio.to_thread(profiles.load, options.data_dir)
    async with _connected(operator_target(options, profile)) as client:
        yield client


@asynccontextmanager
async def declaring_client(options: Options) -> AsyncIterator[Client]:
    profile = await asyncio.to_thread(profiles.load, options.data_dir)
    async with _connected(declaring_target(options, profile)) as client:
        yield client


@asynccontextmanager
async def dialled(address: str, key: str, *, tenant_id: str = "") -> AsyncIterator[Client]:
    """A client for any address, with what the environment says of certificates."""
    tls = await asyncio.to_thread(tls_from_environment)
    async with connect(address, key, tenant_id=tenant_id, tls=tls) as client:
        yield client


@asynccontextmanager
async def _connected(target: Target) -> AsyncIterator[Client]:
    async with dialled(target.address, target.key, tenant_id=target.tenant_id) as client:
        try:
            yield client
        except CallFailed as error:
            if error.code != "UNAVAILABLE" or error.reason:
                raise
            raise errors.Unavailable(unanswered(target.address, await client.why_unreachable())) from error


def unanswered(address: str, fault: str) -> str:
    """`fault` is what is known to be wrong with the line."""
    if fault:
        return f"The service at {address} cannot be reached: {fault}."
    return f"The service at {address} does not answer: is it running?"


def _trusted(options: Options, profile: Profile | None) -> Profile | None:
    """The profile, unless another address is named: its keys are not for strangers."""
    if profile and options.address in ("", profile.service_address):
        return profile
    return None


def _told(options: Options, known: Profile | None) -> Target:
    address = options.address or (known.service_address if known else "")
    if not address:
        raise errors.Unavailable(
            f"No service is known in {options.data_dir}: start one with `kladez up`, "
            "or name one with --address and --key."
        )
    if not options.key:
        raise errors.KeyMissing(f"A key for {address} is needed: --key or the variable KLADEZ_KEY.")
    return Target(address=address, key=options.key, tenant_id=options.tenant_id)
