"""What is stored is what was given: numbers through every door, out again, and in filters."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf import struct_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kladez.v1 import common_pb2
from kladez.v1 import document_service_pb2 as pb
from kladez.v1 import search_service_pb2 as search_pb

from retrieval_service.text import exact_json
from tests.kits.documents_kit import TEXT, document, got
from tests.kits.service_kit import Shop, refused, upsert, wait_until_indexed

pytestmark = pytest.mark.asyncio(loop_scope="module")

BIG = 9007199254740993
NUMBERS = (
    *("0", "-1", "1.5", "1.10", "0.1", "1e3", "1e22", "1e300", "9007199254740991"),
    *(
        "9007199254740992",
        "9007199254740993",
        "123456789012345678",
        "9223372036854775807",
        "18446744073709551615",
    ),
    *("-9007199254740993", "0.1234567890123456789", "9007199254740993.5", "12345678901234567890.123456789"),
    *("1e-300", "5e-324", "1" + "0" * 60 + "1", "19.99", "3.141592653589793238462643383279"),
)


async def stored(shop: Shop, metadata: str) -> Any:
    """What comes back of a document with this metadata, read exactly."""
    await shop.client.upsert_document(
        pb.UpsertDocumentRequest(document=document("a", metadata_json=metadata))
    )
    return exact_of(await got(shop, "a"))


def exact_of(found: pb.Document | search_pb.SearchHit) -> Any:
    if found.metadata_json:
        return exact_json.loads(found.metadata_json)
    return {name: _plain(value) for name, value in found.metadata.fields.items()}


def _plain(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {name: _plain(one) for name, one in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_plain(one) for one in value.list_value.values]
    if kind == "number_value":
        return exact_json.normal(value.number_value)
    return None if kind == "null_value" else getattr(value, str(kind))


@pytest.mark.parametrize("digits", NUMBERS)
async def test_number_comes_back_exactly(shop: Shop, digits: str) -> None:
    found = await stored(shop, f'{{"number": {digits}, "deep": [{{"number": {digits}}}]}}')
    assert Decimal(str(found["number"])) == Decimal(digits)
    assert Decimal(str(found["deep"][0]["number"])) == Decimal(digits)


@pytest.mark.parametrize(
    "digits", ["NaN", "Infinity", "1e400", "1e-400", "9" * 400, "1e99999999999999999999"]
)
async def test_number_that_cannot_be_kept_is_refused_by_name(shop: Shop, digits: str) -> None:
    with refused("INVALID_ARGUMENT", field="document.metadata.deep[1].number"):
        await stored(shop, f'{{"good": 1, "deep": [0, {{"number": {digits}}}]}}')


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "[1]",
        "{",
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        "[" * 5_000,
        '{"a":' * 900 + "1" + "}" * 900,
    ],
)
async def test_metadata_json_that_is_no_object_is_refused(shop: Shop, metadata: str) -> None:
    if metadata:
        with refused("INVALID_ARGUMENT"):
            await stored(shop, metadata)


async def test_struct_says_as_text_what_it_cannot_hold(shop: Shop) -> None:
    await stored(shop, f'{{"order_id": {BIG}, "level": 3}}')
    found = await got(shop, "a")
    assert dict(found.metadata) == {"order_id": str(BIG), "level": 3}
    assert json.loads(found.metadata_json) == {"order_id": BIG, "level": 3}


async def test_metadata_that_a_struct_holds_comes_without_json(shop: Shop) -> None:
    await stored(shop, '{"price": 19.90, "level": 3}')
    assert (await got(shop, "a")).metadata_json == ""


@pytest.mark.parametrize("number", [2.0**53, 2.0**63, -(2.0**60)])
async def test_struct_number_that_may_be_rounded_is_refused_by_path(shop: Shop, number: float) -> None:
    rounded = struct_pb2.Struct()
    rounded.update({"deep": [{"order_id": number}]})
    with refused("INVALID_ARGUMENT", field="document.metadata.deep[0].order_id"):
        await upsert(shop, "a", TEXT, metadata=rounded)


async def test_what_was_read_may_be_written_back(shop: Shop) -> None:
    await stored(shop, f'{{"order_id": {BIG}}}')
    found = await got(shop, "a")
    again = await shop.client.upsert_document(pb.UpsertDocumentRequest(document=found))
    assert again.outcome == pb.UPSERT_OUTCOME_UNCHANGED


async def test_two_metadata_that_differ_are_refused(shop: Shop) -> None:
    """A client that changes one of the two forms must not lose its change."""
    await stored(shop, f'{{"order_id": {BIG}}}')
    found = await got(shop, "a")
    found.metadata["level"] = 2
    with refused("INVALID_ARGUMENT", field="document.metadata_json"):
        await shop.client.upsert_document(pb.UpsertDocumentRequest(document=found))


async def test_changed_last_digit_is_a_change(shop: Shop) -> None:
    await stored(shop, f'{{"order_id": {BIG}}}')
    changed = document("a", metadata_json=f'{{"order_id": {BIG + 1}}}')
    response = await shop.client.upsert_document(pb.UpsertDocumentRequest(document=changed))
    assert response.outcome == pb.UPSERT_OUTCOME_UPDATED


async def test_update_keeps_and_changes_exact_numbers(shop: Shop) -> None:
    await stored(shop, f'{{"order_id": {BIG}}}')
    request = pb.UpdateDocumentRequest(document=document("a", title="New"))
    request.update_mask.paths.append("title")
    await shop.client.update_document(request)
    assert exact_of(await got(shop, "a")) == {"order_id": BIG}
    request = pb.UpdateDocumentRequest(document=document("a", metadata_json=f'{{"order_id": {BIG + 2}}}'))
    request.update_mask.paths.append("metadata")
    await shop.client.update_document(request)
    assert exact_of(await got(shop, "a")) == {"order_id": BIG + 2}


async def test_undone_import_brings_exact_numbers_back(shop: Shop) -> None:
    await stored(shop, f'{{"order_id": {BIG}, "ratio": 0.1234567890123456789}}')
    import_id = "6f1f6f0a-4c65-4b2e-9d5e-000000000001"

    async def requests() -> Any:
        yield pb.ImportDocumentsRequest(config=pb.ImportConfig(import_id=import_id))
        chunk = pb.ImportChunk(documents=[document("a", metadata_json='{"order_id": 1}')])
        yield pb.ImportDocumentsRequest(chunk=chunk)

    assert [event async for event in shop.client.import_documents(requests())]
    assert exact_of(await got(shop, "a")) == {"order_id": 1}
    await shop.client.undo_import(pb.UndoImportRequest(import_id=import_id))
    assert exact_of(await got(shop, "a")) == {"order_id": BIG, "ratio": Decimal("0.1234567890123456789")}


# --- filters

FILTERED = {
    "small": "9007199254740991",
    "even": "9007199254740992",
    "odd": "9007199254740993",
    "long": "0.1234567890123456789",
}


async def found_by(shop: Shop, condition: common_pb2.MetadataCondition) -> set[str]:
    request = search_pb.SearchRequest(query="Assam tea", filter=common_pb2.Filter(metadata=[condition]))
    response = await shop.client.search(request)
    return {hit.external_id for hit in response.hits}


async def test_filters_compare_exactly(shop: Shop) -> None:
    for name, digits in FILTERED.items():
        await shop.client.upsert_document(
            pb.UpsertDocumentRequest(document=document(name, metadata_json=f'{{"n": {digits}}}'))
        )
    await wait_until_indexed(shop)
    for name, digits in FILTERED.items():
        one_of = common_pb2.MetadataValues(numbers=[digits])
        assert await found_by(shop, common_pb2.MetadataCondition(key="n", any_of=one_of)) == {name}
        span = common_pb2.MetadataRange(lower_number=digits, upper_number=digits)
        assert await found_by(shop, common_pb2.MetadataCondition(key="n", range=span)) == {name}
    above = common_pb2.MetadataRange(lower_number=FILTERED["odd"])
    assert await found_by(shop, common_pb2.MetadataCondition(key="n", range=above)) == {"odd"}
    below = common_pb2.MetadataRange(upper=1.0)
    assert await found_by(shop, common_pb2.MetadataCondition(key="n", range=below)) == {"long"}


async def test_hits_show_exact_metadata(shop: Shop) -> None:
    await stored(shop, f'{{"order_id": {BIG}}}')
    await wait_until_indexed(shop)
    response = await shop.client.search(search_pb.SearchRequest(query="Assam tea"))
    assert exact_of(response.hits[0]) == {"order_id": BIG}
    assert dict(response.hits[0].metadata) == {"order_id": str(BIG)}


@pytest.mark.parametrize(
    "condition",
    [
        {"any_of": {"numbers": ["nine"]}},
        {"any_of": {"numbers": ["NaN"]}},
        {"any_of": {"numbers": ["1e999"]}},
        {"any_of": {"numbers": ["01"]}},
        {"any_of": {"values": [{"number_value": 2.0**53}]}},
        {"range": {"lower_number": "1,5"}},
        {"range": {"lower_number": "2", "upper_number": "1"}},
        {"range": {"lower_number": "1", "lower": 1.0}},
    ],
)
async def test_wrong_numbers_in_filters_are_refused(shop: Shop, condition: dict[str, Any]) -> None:
    wanted = common_pb2.MetadataCondition(key="n", **condition)
    with refused("INVALID_ARGUMENT"):
        await found_by(shop, wanted)


# --- any JSON at all

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)
    | st.text(max_size=20)
)
_objects = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        _scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=_objects)
async def test_any_metadata_comes_back_equal_or_is_named(shop: Shop, metadata: dict[str, Any]) -> None:
    sent = exact_json.loads(exact_json.dumps(metadata, ascii_only=True))
    request = pb.BatchUpsertDocumentsRequest(
        documents=[document("any", metadata_json=exact_json.dumps(sent, ascii_only=True))]
    )
    [result] = (await shop.client.batch_upsert_documents(request)).results
    if result.HasField("error"):
        assert result.error.fields[0].field.startswith("metadata")
        assert "\0" in str(metadata) or "\\x00" in repr(metadata)
    else:
        assert exact_json.are_same(exact_of(await got(shop, "any")), sent)
