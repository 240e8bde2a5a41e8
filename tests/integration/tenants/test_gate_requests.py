"""What the gate refuses in requests that can be read: numbers of no enum, foreign page tokens, and all at once."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import descriptor, message, message_factory
from google.rpc import error_details_pb2
from kladez.v1 import common_pb2
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as search_pb

from retrieval_service import server
from retrieval_service.api import enums
from retrieval_service.errors import Invalid
from tests.kits.gate_kit import Ended, raw
from tests.kits.service_kit import Running, Shop, bearer, new_shop, upsert

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = 99


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kettles(running: Running) -> Shop:
    shop = await new_shop(running)
    for number in range(3):
        await upsert(shop, str(number), f"Kettles whistle {number}.")
    return shop


def fields_of(answer: Ended) -> list[str]:
    return [one.field for one in answer.detail(error_details_pb2.BadRequest()).field_violations]


METHODS = {f"/{one.full_name}/{method.name}": method for one in server.SERVICES for method in one.methods}


def with_unknown_enums(kind: descriptor.Descriptor) -> Iterator[tuple[message.Message, str]]:
    """The message with one enum of it unknown, for each there is, and that field's path."""
    if kind.full_name.startswith("google.protobuf."):
        return
    for field in kind.fields:
        if field.enum_type is not None:
            yield set_in(kind, field, UNKNOWN), field.name
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for inner, path in with_unknown_enums(field.message_type):
                place = "[0]" if field.is_repeated else ""
                yield set_in(kind, field, inner), f"{field.name}{place}.{path}"


def set_in(kind: descriptor.Descriptor, field: descriptor.FieldDescriptor, value: Any) -> message.Message:
    made = message_factory.GetMessageClass(kind)()
    if field.is_repeated:
        getattr(made, field.name).append(value)
    elif field.message_type is not None:
        getattr(made, field.name).CopyFrom(value)
    else:
        setattr(made, field.name, value)
    return made


ENUMS = [
    pytest.param(method, request, path, id=f"{method.rpartition('/')[2]}-{path}")
    for method, kind in METHODS.items()
    for request, path in with_unknown_enums(kind.input_type)
]


async def test_there_are_enums_to_try() -> None:
    assert len(ENUMS) >= 10


@pytest.mark.parametrize(("method", "request_", "path"), ENUMS)
async def test_number_of_no_enum_is_refused_by_name(
    running: Running, kettles: Shop, method: str, request_: message.Message, path: str
) -> None:
    metadata = bearer(running.key, ("x-tenant-id", kettles.tenant_id))
    answer = await raw(running.channel, method, request_.SerializeToString(), metadata)
    assert answer.code == "INVALID_ARGUMENT", answer
    assert fields_of(answer) == [path]
    assert str(UNKNOWN) in answer.text


async def test_each_of_many_is_named_and_known_numbers_pass() -> None:
    modes = [0, 1, 2, 3, UNKNOWN, -1]
    for mode in modes[:4]:
        enums.check(search_pb.SearchRequest(mode=mode))
    with pytest.raises(Invalid) as refused:
        enums.check(search_pb.CreateSnapshotRequest(mode=modes[-1], filter=common_pb2.Filter(tags=["x"])))
    assert [one.field for one in refused.value.violations] == ["mode"]


LISTINGS = sorted(
    method
    for method, kind in METHODS.items()
    if "page_token" in kind.input_type.fields_by_name and not kind.server_streaming
)


async def call_with_token(running: Running, shop: Shop, method: str, token: str) -> Ended:
    request = message_factory.GetMessageClass(METHODS[method].input_type)(page_token=token)
    if "query" in METHODS[method].input_type.fields_by_name:
        request.query = "kettle"
    if "session_id" in METHODS[method].input_type.fields_by_name:
        request.session_id = "00000000-0000-4000-8000-000000000000"
    metadata = bearer(running.key, ("x-tenant-id", shop.tenant_id))
    return await raw(running.channel, method, request.SerializeToString(), metadata)


async def own_token(shop: Shop) -> str:
    page = await shop.client.list_documents(documents_pb.ListDocumentsRequest(page_size=1))
    assert page.next_page_token
    return page.next_page_token


@pytest.mark.parametrize("method", LISTINGS)
async def test_own_page_token_of_another_method_is_refused(
    running: Running, kettles: Shop, method: str
) -> None:
    answer = await call_with_token(running, kettles, method, await own_token(kettles))
    if method.endswith("/ListDocuments"):
        assert answer.code == "OK"
    else:
        assert answer.code == "INVALID_ARGUMENT", answer
        assert fields_of(answer) == ["page_token"]


async def test_page_token_is_taken_in_its_own_spelling_alone(running: Running, kettles: Shop) -> None:
    token = await own_token(kettles)
    raw_bytes = base64.urlsafe_b64decode(token)
    spellings = {
        token + "=",
        token + "garbage",
        token + "\n",
        " " + token,
        token[:5] + "\n" + token[5:],
        token[:5] + "*" + token[5:],
        token.rstrip("=") if token.endswith("=") else token[:-1],
        base64.standard_b64encode(raw_bytes + b"\xff\xfe").decode(),
        "ж" + token,
    } - {token}
    for spelling in spellings:
        answer = await call_with_token(running, kettles, "/kladez.v1.DocumentService/ListDocuments", spelling)
        assert (answer.code, fields_of(answer)) == ("INVALID_ARGUMENT", ["page_token"]), spelling
    assert (
        await call_with_token(running, kettles, "/kladez.v1.DocumentService/ListDocuments", token)
    ).code == "OK"


async def test_search_names_everything_that_is_wrong_at_once(running: Running, kettles: Shop) -> None:
    request = search_pb.SearchRequest(
        query=" ",
        page_size=-5,
        min_score=9,
        page_token="nonsense",
        filter=common_pb2.Filter(
            tags=["x"] * 60,
            languages=["zzz"],
            sections=["s" * 300],
            metadata=[common_pb2.MetadataCondition(key=""), common_pb2.MetadataCondition(key="k")],
        ),
    )
    metadata = bearer(kettles.key)
    answer = await raw(
        running.channel, "/kladez.v1.SearchService/Search", request.SerializeToString(), metadata
    )
    assert sorted(fields_of(answer)) == sorted(
        [
            *("query", "page_size", "min_score", "page_token"),
            *("filter.tags", "filter.languages", "filter.sections"),
            *("filter.metadata[0].key", "filter.metadata[1]"),
        ]
    )


WRONG = {
    "SearchService/SummarizeSearch": ({"query": "", "language": "zzz"}, ["query", "language"]),
    "SearchService/CreateSnapshot": (
        {"query": "", "language": "zzz", "reader_key": "", "valid_days": 99},
        ["query", "language", "reader_key", "valid_days"],
    ),
    "AnswerService/StreamAnswer": (
        {"question": "", "session_id": "x", "request_id": "x", "language": "zzz", "channel": "X Y"},
        ["question", "session_id", "request_id", "language", "channel"],
    ),
    "AnswerService/CreateSession": (
        {"channel": "", "user_key": "x" * 129, "language": "zzz"},
        ["channel", "user_key", "language"],
    ),
    "AnswerService/SubmitFeedback": (
        {"answer_id": "x", "session_id": "x", "reason": "x" * 1_001},
        ["answer_id", "session_id", "rating", "reason"],
    ),
    "AnswerService/ClaimHandoff": (
        {"channel": "", "user_key": "x" * 129, "code": "!"},
        ["channel", "user_key", "code"],
    ),
}


@pytest.mark.parametrize("name", sorted(WRONG))
async def test_other_methods_name_everything_that_is_wrong_too(
    running: Running, kettles: Shop, name: str
) -> None:
    given, expected = WRONG[name]
    method = f"/kladez.v1.{name}"
    request = message_factory.GetMessageClass(METHODS[method].input_type)(**given)
    answer = await raw(running.channel, method, request.SerializeToString(), bearer(kettles.key))
    assert sorted(fields_of(answer)) == sorted(expected), answer
