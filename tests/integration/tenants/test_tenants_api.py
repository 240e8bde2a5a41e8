"""TenantService over the wire: what its comments in tenant_service.proto promise."""

from __future__ import annotations

import uuid

import pytest
from google.protobuf import field_mask_pb2
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import tenant_service_pb2 as pb

from retrieval_service.client import Client
from tests.kits.service_kit import Running, Shop, bearer, failure_of, new_key, new_shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOME_SETTINGS = pb.TenantSettings(
    languages=["pt", "en"],
    system_prompt="Be brief.",
    fallback_contact="+55 11 5555",
    allowed_origins=["https://shop.example", "http://localhost:8080"],
    allowed_link_domains=["shop.example", "магазин.рф"],
    trusted_source_types=["comments"],
    untrusted_source_types=["blog", "guest-book_2"],
    greetings={"pt": "Olá!"},
    suggested_questions={"pt": pb.SuggestedQuestions(questions=["Quanto custa o frete?"])},
    index_granularity="document",
)


async def created(running: Running, **fields: object) -> pb.Tenant:
    request = pb.CreateTenantRequest(tenant=pb.Tenant(**{"name": "Lumen", **fields}))
    return (await running.client.create_tenant(request)).tenant


async def got(running: Running, tenant_id: str) -> pb.Tenant:
    return (await running.client.get_tenant(pb.GetTenantRequest(tenant_id=tenant_id))).tenant


async def updated(running: Running, tenant: pb.Tenant, *paths: str) -> pb.Tenant:
    mask = field_mask_pb2.FieldMask(paths=paths)
    response = await running.client.update_tenant(pb.UpdateTenantRequest(tenant=tenant, update_mask=mask))
    return response.tenant


async def deleted(running: Running, tenant_id: str) -> pb.Tenant:
    return (await running.client.delete_tenant(pb.DeleteTenantRequest(tenant_id=tenant_id))).tenant


async def undeleted(running: Running, tenant_id: str) -> pb.Tenant:
    return (await running.client.undelete_tenant(pb.UndeleteTenantRequest(tenant_id=tenant_id))).tenant


async def resolved(client: Client, public_key: str) -> pb.ResolvePublicKeyResponse:
    return await client.resolve_public_key(pb.ResolvePublicKeyRequest(public_key=public_key))


async def listed_ids(running: Running, *, show_deleted: bool = False) -> list[str]:
    """Of all pages."""
    ids: list[str] = []
    request = pb.ListTenantsRequest(page_size=2, show_deleted=show_deleted)
    while True:
        page = await running.client.list_tenants(request)
        assert len(page.tenants) <= 2
        ids += [one.tenant_id for one in page.tenants]
        if not page.next_page_token:
            return ids
        request.page_token = page.next_page_token


async def search(client: Client) -> search_pb.SearchResponse:
    return await client.search(search_pb.SearchRequest(query="tea"))


async def test_created_tenant_has_ids_times_and_default_settings(running: Running) -> None:
    tenant = await created(running)
    assert uuid.UUID(tenant.tenant_id) != uuid.UUID(tenant.public_key)
    assert list(tenant.settings.languages) == ["ru", "en", "pt"]
    assert tenant.HasField("create_time")
    assert not tenant.HasField("delete_time")
    assert await got(running, tenant.tenant_id) == tenant


async def test_all_settings_are_kept(running: Running) -> None:
    tenant = await created(running, settings=SOME_SETTINGS)
    assert tenant.settings == SOME_SETTINGS
    assert (await got(running, tenant.tenant_id)).settings == SOME_SETTINGS


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": "  "}, "tenant.name"),
        ({"name": "\u200b\u2066"}, "tenant.name"),
        ({"name": "x" * 201}, "tenant.name"),
        ({"name": "nul\0"}, "tenant.name"),
        ({"settings": pb.TenantSettings(languages=["russian"])}, "tenant.settings.languages"),
        ({"settings": pb.TenantSettings(languages=["en"] * 11)}, "tenant.settings.languages"),
        ({"settings": pb.TenantSettings(system_prompt="x" * 4_001)}, "tenant.settings.system_prompt"),
        (
            {"settings": pb.TenantSettings(allowed_origins=["https://a.example/path"])},
            "tenant.settings.allowed_origins[0]",
        ),
        *(
            (
                {"settings": pb.TenantSettings(allowed_link_domains=["a.example", domain])},
                "tenant.settings.allowed_link_domains[1]",
            )
            for domain in (
                "https://shop.example",
                "shop.example/x",
                "SHOP.example",
                "localhost",
                "*.example",
                "",
            )
        ),
        (
            {"settings": pb.TenantSettings(allowed_link_domains=["a.example"] * 51)},
            "tenant.settings.allowed_link_domains",
        ),
        (
            {"settings": pb.TenantSettings(untrusted_source_types=["a", "Blog posts"])},
            "tenant.settings.untrusted_source_types[1]",
        ),
        (
            {"settings": pb.TenantSettings(trusted_source_types=["a"] * 51)},
            "tenant.settings.trusted_source_types",
        ),
        (
            {"settings": pb.TenantSettings(trusted_source_types=["a"], untrusted_source_types=["b", "a"])},
            "tenant.settings.untrusted_source_types",
        ),
        ({"settings": pb.TenantSettings(greetings={"en": "nul\0"})}, "tenant.settings.greetings[en]"),
    ],
)
async def test_wrong_tenant_is_refused_by_field(
    running: Running, fields: dict[str, object], wrong: str
) -> None:
    with refused("INVALID_ARGUMENT", field=wrong):
        await created(running, **fields)


async def test_unknown_tenant_is_not_found(running: Running) -> None:
    with refused("NOT_FOUND"):
        await got(running, str(uuid.uuid4()))
    with refused("INVALID_ARGUMENT", field="tenant_id"):
        await got(running, "lumen")


async def test_listing_is_oldest_first_and_shows_deleted_ones_on_request(running: Running) -> None:
    first, second, third = [(await created(running)).tenant_id for _ in range(3)]
    await deleted(running, second)
    assert (await listed_ids(running))[-2:] == [first, third]
    assert (await listed_ids(running, show_deleted=True))[-3:] == [first, second, third]


async def test_page_token_of_another_listing_is_refused(running: Running) -> None:
    await created(running)
    await created(running)
    page = await running.client.list_tenants(pb.ListTenantsRequest(page_size=1))
    for token in (page.next_page_token, page.next_page_token[:-4], "ключ", "AAAA"):
        request = pb.ListTenantsRequest(page_size=1, page_token=token, show_deleted=True)
        with refused("INVALID_ARGUMENT", field="page_token"):
            await running.client.list_tenants(request)


async def test_update_changes_only_what_the_mask_names(running: Running) -> None:
    before = await created(running, settings=SOME_SETTINGS)
    change = pb.Tenant(
        tenant_id=before.tenant_id,
        name="ignored",
        settings=pb.TenantSettings(system_prompt="Be polite.", fallback_contact="ignored"),
    )
    after = await updated(running, change, "settings.system_prompt")
    assert after.name == before.name
    assert after.settings.system_prompt == "Be polite."
    assert after.settings.fallback_contact == SOME_SETTINGS.fallback_contact
    assert after.settings.greetings == SOME_SETTINGS.greetings
    assert after.etag != before.etag
    assert after.public_key == before.public_key


async def test_update_of_all_settings_resets_those_not_given(running: Running) -> None:
    before = await created(running, settings=SOME_SETTINGS)
    change = pb.Tenant(tenant_id=before.tenant_id, name="Новое имя", settings=pb.TenantSettings())
    after = await updated(running, change, "name", "settings")
    assert after.name == "Новое имя"
    assert list(after.settings.languages) == ["ru", "en", "pt"]
    assert not after.settings.greetings
    assert not after.settings.fallback_contact


async def test_update_without_a_mask_changes_what_is_given(running: Running) -> None:
    before = await created(running, settings=SOME_SETTINGS)
    settings = pb.TenantSettings(fallback_contact="by mail")
    after = await updated(running, pb.Tenant(tenant_id=before.tenant_id, settings=settings))
    assert (after.name, after.settings.fallback_contact) == (before.name, "by mail")
    assert after.settings.greetings == before.settings.greetings


async def test_update_of_everything_clears_what_is_not_given(running: Running) -> None:
    before = await created(running, settings=SOME_SETTINGS)
    after = await updated(running, pb.Tenant(tenant_id=before.tenant_id, name="New"), "*")
    assert (after.name, after.settings.fallback_contact) == ("New", "")


async def test_update_of_nothing_is_refused(running: Running) -> None:
    before = await created(running)
    with refused("INVALID_ARGUMENT", field="update_mask"):
        await updated(running, pb.Tenant(tenant_id=before.tenant_id))


@pytest.mark.parametrize("paths", [("*", "name"), ("tenant_id",), ("settings.unknown",), ("public_key",)])
async def test_update_with_an_unusable_mask_is_refused(running: Running, paths: tuple[str, ...]) -> None:
    tenant = await created(running)
    with refused("INVALID_ARGUMENT", field="update_mask"):
        await updated(running, tenant, *paths)


async def test_update_with_an_old_etag_is_aborted(running: Running) -> None:
    before = await created(running)
    await updated(running, pb.Tenant(tenant_id=before.tenant_id, name="Second"), "name")
    stale = pb.Tenant(tenant_id=before.tenant_id, name="Third", etag=before.etag)
    with refused("ABORTED"):
        await updated(running, stale, "name")
    now = await got(running, before.tenant_id)
    assert now.name == "Second"
    fresh = pb.Tenant(tenant_id=before.tenant_id, name="Third", etag=now.etag)
    assert (await updated(running, fresh, "name")).name == "Third"
    with refused("INVALID_ARGUMENT", field="tenant.etag"):
        await updated(running, pb.Tenant(tenant_id=before.tenant_id, name="x", etag="mine"), "name")


async def test_update_that_makes_a_tenant_invalid_changes_nothing(running: Running) -> None:
    before = await created(running, settings=SOME_SETTINGS)
    wrong = pb.Tenant(tenant_id=before.tenant_id, settings=pb.TenantSettings(languages=["xx1"]))
    with refused("INVALID_ARGUMENT", field="tenant.settings.languages"):
        await updated(running, wrong, "settings.languages")
    assert await got(running, before.tenant_id) == before


async def test_deleted_tenant_is_unreachable_until_it_is_undeleted(running: Running) -> None:
    shop = await new_shop(running)
    gone = await deleted(running, shop.tenant_id)
    assert gone.HasField("delete_time")
    assert (await got(running, shop.tenant_id)).HasField("delete_time")
    assert (await failure_of(search(shop.client))).code == "UNAUTHENTICATED"
    assert (await failure_of(search(running.client.for_tenant(shop.tenant_id)))).code == "NOT_FOUND"
    assert (await failure_of(resolved(running.client, shop.tenant.public_key))).code == "NOT_FOUND"
    back = await undeleted(running, shop.tenant_id)
    assert not back.HasField("delete_time")
    await search(shop.client)
    await search(running.client.for_tenant(shop.tenant_id))
    assert (await resolved(running.client, shop.tenant.public_key)).tenant_id == shop.tenant_id


async def test_delete_repeated_keeps_the_first_time(running: Running) -> None:
    tenant = await created(running)
    first = await deleted(running, tenant.tenant_id)
    assert (await deleted(running, tenant.tenant_id)).delete_time == first.delete_time


async def test_rotated_public_key_replaces_the_old_one_at_once(running: Running) -> None:
    before = await created(running, settings=SOME_SETTINGS)
    request = pb.RotatePublicKeyRequest(tenant_id=before.tenant_id)
    after = (await running.client.rotate_public_key(request)).tenant
    assert after.public_key != before.public_key
    with refused("NOT_FOUND"):
        await resolved(running.client, before.public_key)
    assert (await resolved(running.client, after.public_key)).tenant_id == before.tenant_id


async def test_public_key_tells_a_channel_what_it_needs_and_no_more(running: Running) -> None:
    tenant = await created(running, settings=SOME_SETTINGS)
    told = await resolved(running.client, tenant.public_key)
    assert told == pb.ResolvePublicKeyResponse(
        tenant_id=tenant.tenant_id,
        name="Lumen",
        languages=SOME_SETTINGS.languages,
        allowed_origins=SOME_SETTINGS.allowed_origins,
        greetings=SOME_SETTINGS.greetings,
        suggested_questions=SOME_SETTINGS.suggested_questions,
        fallback_contact=SOME_SETTINGS.fallback_contact,
    )


async def test_secret_of_a_key_is_shown_once_and_works(running: Running) -> None:
    shop = await new_shop(running)
    wanted = pb.ApiKey(
        tenant_id=shop.tenant_id, scopes=[pb.SCOPE_CHANNEL, pb.SCOPE_TENANT_READ], display_name="Телеграм"
    )
    made = await running.client.create_api_key(pb.CreateApiKeyRequest(api_key=wanted))
    assert made.secret.startswith("kld_")
    await search(Client(running.channel, bearer(made.secret)))
    keys = await running.client.list_api_keys(pb.ListApiKeysRequest(tenant_id=shop.tenant_id))
    assert keys.api_keys[0] == made.api_key
    assert made.secret not in str(keys)


async def test_keys_are_listed_newest_first_in_pages(running: Running) -> None:
    shop = await new_shop(running)
    await new_key(running, [pb.SCOPE_CHANNEL], tenant_id=shop.tenant_id)
    names = []
    request = pb.ListApiKeysRequest(tenant_id=shop.tenant_id, page_size=1)
    while True:
        page = await running.client.list_api_keys(request)
        names += [list(one.scopes) for one in page.api_keys]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names[0] == [pb.SCOPE_CHANNEL]
    assert len(names) == 2


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"scopes": []}, "api_key.scopes"),
        ({"scopes": [pb.SCOPE_UNSPECIFIED]}, "api_key.scopes"),
        ({"scopes": [99]}, "api_key.scopes"),
        ({"display_name": ""}, "api_key.display_name"),
        ({"display_name": "\ufeff"}, "api_key.display_name"),
        ({"display_name": "x" * 101}, "api_key.display_name"),
        ({"tenant_id": "shop"}, "api_key.tenant_id"),
    ],
)
async def test_wrong_key_is_refused_by_field(running: Running, fields: dict[str, object], wrong: str) -> None:
    key = pb.ApiKey(**{"scopes": [pb.SCOPE_CHANNEL], "display_name": "x", **fields})
    with refused("INVALID_ARGUMENT", field=wrong):
        await running.client.create_api_key(pb.CreateApiKeyRequest(api_key=key))


async def test_tenants_own_key_can_never_be_an_operators(running: Running) -> None:
    shop = await new_shop(running)
    key = pb.ApiKey(tenant_id=shop.tenant_id, scopes=[pb.SCOPE_OPERATOR], display_name="x")
    with refused("INVALID_ARGUMENT", field="api_key.scopes"):
        await running.client.create_api_key(pb.CreateApiKeyRequest(api_key=key))


async def test_key_for_an_unknown_tenant_is_not_made(running: Running) -> None:
    key = pb.ApiKey(tenant_id=str(uuid.uuid4()), scopes=[pb.SCOPE_CHANNEL], display_name="x")
    with refused("NOT_FOUND"):
        await running.client.create_api_key(pb.CreateApiKeyRequest(api_key=key))


async def test_revoked_key_is_refused_and_stays_in_the_list(running: Running) -> None:
    shop = await new_shop(running)
    [key] = (await running.client.list_api_keys(pb.ListApiKeysRequest(tenant_id=shop.tenant_id))).api_keys
    revoked = await running.client.revoke_api_key(pb.RevokeApiKeyRequest(api_key_id=key.api_key_id))
    assert revoked.api_key.HasField("revoke_time")
    assert (await failure_of(search(shop.client))).reason == "KEY_INVALID"
    listed = await running.client.list_api_keys(pb.ListApiKeysRequest(tenant_id=shop.tenant_id))
    assert listed.api_keys[0].HasField("revoke_time")
    with refused("NOT_FOUND"):
        await running.client.revoke_api_key(pb.RevokeApiKeyRequest(api_key_id=str(uuid.uuid4())))


async def test_key_of_no_tenant_serves_a_tenant_only_by_name(running: Running) -> None:
    shop: Shop = await new_shop(running)
    await search(running.client.for_tenant(shop.tenant_id))
    assert (await failure_of(search(running.client))).reason == "TENANT_MISSING"
    assert (await failure_of(search(running.client.for_tenant(str(uuid.uuid4()))))).code == "NOT_FOUND"
    assert (await failure_of(search(running.client.for_tenant("lumen")))).code == "INVALID_ARGUMENT"
