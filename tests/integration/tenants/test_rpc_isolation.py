"""One tenant tries every RPC on another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc
import pytest
import pytest_asyncio
from google.protobuf import field_mask_pb2, message, message_factory
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import index_job_service_pb2 as index_jobs_pb
from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import source_service_pb2 as sources_pb
from kladez.v1 import space_service_pb2 as spaces_pb
from kladez.v1 import sync_service_pb2 as sync_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service import server
from tests.kits.isolation_kit import (
    MARK,
    QUESTION,
    Owned,
    declared_source,
    dump,
    new_owned,
    recorded_run,
    run_import,
)
from tests.kits.service_kit import (
    Running,
    Shop,
    bearer,
    new_shop,
    refused,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owned(running: Running) -> Owned:
    return await new_owned(running)


@pytest_asyncio.fixture(loop_scope="module")
async def intruder(running: Running) -> Shop:
    return await new_shop(running)


async def test_first_tenant_has_rows_in_every_table(running: Running, owned: Owned) -> None:
    rows = await dump(running, owned.shop.tenant_id)
    assert all(rows.values()), [table for table, kept in rows.items() if not kept]


ANSWERED = "answered from the intruder's own"
Attempt = tuple[Callable[[Owned], message.Message], str]


def key_of(owned: Owned) -> documents_pb.DocumentKey:
    return documents_pb.DocumentKey(source_type="article", external_id="cloves")


def selector_of(owned: Owned) -> documents_pb.DocumentSelector:
    return documents_pb.DocumentSelector(ids=documents_pb.DocumentIds(document_ids=[str(owned.document_id)]))


def own_document() -> documents_pb.Document:
    return documents_pb.Document(source_type="article", external_id="cloves", content="Mine.")


RPCS: dict[str, Attempt] = {
    "TenantService/CreateTenant": (
        lambda _: tenants_pb.CreateTenantRequest(tenant=tenants_pb.Tenant(name="x")),
        "PERMISSION_DENIED",
    ),
    "TenantService/GetTenant": (
        lambda own: tenants_pb.GetTenantRequest(tenant_id=own.shop.tenant_id),
        "PERMISSION_DENIED",
    ),
    "TenantService/ListTenants": (lambda _: tenants_pb.ListTenantsRequest(), "PERMISSION_DENIED"),
    "TenantService/UpdateTenant": (
        lambda own: tenants_pb.UpdateTenantRequest(
            tenant=tenants_pb.Tenant(tenant_id=own.shop.tenant_id, name="Mine"),
            update_mask=field_mask_pb2.FieldMask(paths=["name"]),
        ),
        "PERMISSION_DENIED",
    ),
    "TenantService/DeleteTenant": (
        lambda own: tenants_pb.DeleteTenantRequest(tenant_id=own.shop.tenant_id),
        "PERMISSION_DENIED",
    ),
    "TenantService/UndeleteTenant": (
        lambda own: tenants_pb.UndeleteTenantRequest(tenant_id=own.shop.tenant_id),
        "PERMISSION_DENIED",
    ),
    "TenantService/CreateApiKey": (
        lambda own: tenants_pb.CreateApiKeyRequest(
            api_key=tenants_pb.ApiKey(
                tenant_id=own.shop.tenant_id, scopes=[tenants_pb.SCOPE_CHANNEL], display_name="x"
            )
        ),
        "PERMISSION_DENIED",
    ),
    "TenantService/ListApiKeys": (
        lambda own: tenants_pb.ListApiKeysRequest(tenant_id=own.shop.tenant_id),
        "PERMISSION_DENIED",
    ),
    "TenantService/RevokeApiKey": (
        lambda own: tenants_pb.RevokeApiKeyRequest(api_key_id=own.api_key_id),
        "PERMISSION_DENIED",
    ),
    "TenantService/RotatePublicKey": (
        lambda own: tenants_pb.RotatePublicKeyRequest(tenant_id=own.shop.tenant_id),
        "PERMISSION_DENIED",
    ),
    "TenantService/ResolvePublicKey": (
        lambda own: tenants_pb.ResolvePublicKeyRequest(public_key=own.shop.tenant.public_key),
        "NOT_FOUND",
    ),
    "DocumentService/UpsertDocument": (
        lambda _: documents_pb.UpsertDocumentRequest(document=own_document()),
        ANSWERED,
    ),
    "DocumentService/BatchUpsertDocuments": (
        lambda _: documents_pb.BatchUpsertDocumentsRequest(documents=[own_document()]),
        ANSWERED,
    ),
    "DocumentService/ImportDocuments": (
        lambda own: documents_pb.ImportDocumentsRequest(
            config=documents_pb.ImportConfig(import_id=str(own.import_id))
        ),
        ANSWERED,
    ),
    "DocumentService/ImportShop": (
        lambda _: documents_pb.ImportShopRequest(shop_json=b'{"faq": [{"question": "a", "answer": "b"}]}'),
        ANSWERED,
    ),
    "DocumentService/GetDocument": (
        lambda own: documents_pb.GetDocumentRequest(document_id=str(own.document_id)),
        "NOT_FOUND",
    ),
    "DocumentService/ListDocuments": (lambda _: documents_pb.ListDocumentsRequest(), ANSWERED),
    "DocumentService/DeleteDocument": (
        lambda own: documents_pb.DeleteDocumentRequest(document_id=str(own.document_id)),
        "NOT_FOUND",
    ),
    "DocumentService/UpdateDocument": (
        lambda own: documents_pb.UpdateDocumentRequest(
            document=documents_pb.Document(document_id=str(own.document_id), title="Mine"),
            update_mask=field_mask_pb2.FieldMask(paths=["title"]),
        ),
        "NOT_FOUND",
    ),
    "DocumentService/BatchDeleteDocuments": (
        lambda own: documents_pb.BatchDeleteDocumentsRequest(selector=selector_of(own), confirm=True),
        ANSWERED,
    ),
    "DocumentService/ReindexDocuments": (
        lambda own: documents_pb.ReindexDocumentsRequest(selector=selector_of(own)),
        ANSWERED,
    ),
    "DocumentService/PurgeDocuments": (
        lambda own: documents_pb.PurgeDocumentsRequest(selector=selector_of(own), confirm=True),
        ANSWERED,
    ),
    "DocumentService/UndoImport": (
        lambda own: documents_pb.UndoImportRequest(import_id=str(own.import_id)),
        "NOT_FOUND",
    ),
    "SearchService/Search": (lambda _: search_pb.SearchRequest(query=QUESTION), ANSWERED),
    "SearchService/SummarizeSearch": (lambda _: search_pb.SummarizeSearchRequest(query=QUESTION), ANSWERED),
    "SearchService/CreateSnapshot": (
        lambda _: search_pb.CreateSnapshotRequest(query=QUESTION, reader_key="reader"),
        ANSWERED,
    ),
    "SearchService/GetSnapshot": (
        lambda own: search_pb.GetSnapshotRequest(snapshot_id=str(own.snapshot_id)),
        "NOT_FOUND",
    ),
    "SearchService/ResolveSnapshot": (
        lambda own: search_pb.ResolveSnapshotRequest(token=own.snapshot_token),
        "NOT_FOUND",
    ),
    "SearchService/DeleteSnapshot": (
        lambda own: search_pb.DeleteSnapshotRequest(snapshot_id=str(own.snapshot_id)),
        "NOT_FOUND",
    ),
    "AnswerService/StreamAnswer": (
        lambda own: answers_pb.StreamAnswerRequest(question="x", session_id=str(own.session_id)),
        "NOT_FOUND",
    ),
    "AnswerService/GetAnswer": (
        lambda own: answers_pb.GetAnswerRequest(answer_id=str(own.answer_id)),
        "NOT_FOUND",
    ),
    "AnswerService/CancelAnswer": (
        lambda own: answers_pb.CancelAnswerRequest(request_id=str(own.request_id)),
        "NOT_FOUND",
    ),
    "AnswerService/ListSessionTurns": (
        lambda own: answers_pb.ListSessionTurnsRequest(session_id=str(own.session_id)),
        "NOT_FOUND",
    ),
    "AnswerService/DeleteSession": (
        lambda own: answers_pb.DeleteSessionRequest(session_id=str(own.session_id)),
        "NOT_FOUND",
    ),
    "AnswerService/CreateHandoff": (
        lambda own: answers_pb.CreateHandoffRequest(session_id=str(own.session_id)),
        "NOT_FOUND",
    ),
    "AnswerService/ClaimHandoff": (
        lambda own: answers_pb.ClaimHandoffRequest(code=own.handoff_code, channel="api"),
        "NOT_FOUND",
    ),
    "AnswerService/CreateSession": (lambda _: answers_pb.CreateSessionRequest(channel="api"), ANSWERED),
    "SyncService/GetSyncStatus": (lambda _: sync_pb.GetSyncStatusRequest(), ANSWERED),
    "SyncService/SyncNow": (
        lambda own: sync_pb.SyncNowRequest(document_id=str(own.document_id)),
        "NOT_FOUND",
    ),
    "SyncService/ListSyncJobs": (lambda _: sync_pb.ListSyncJobsRequest(), ANSWERED),
    "SyncService/RetrySyncJobs": (
        lambda own: sync_pb.RetrySyncJobsRequest(sync_job_ids=[own.job.id]),
        ANSWERED,
    ),
    "SyncService/ListSyncLog": (
        lambda own: sync_pb.ListSyncLogRequest(document_id=str(own.document_id)),
        ANSWERED,
    ),
    "SyncService/RepairDrift": (lambda _: sync_pb.RepairDriftRequest(apply=True), "FAILED_PRECONDITION"),
    "SyncService/SetBackend": (lambda _: sync_pb.SetBackendRequest(shadow_share=1.0), "PERMISSION_DENIED"),
    "SyncService/GetBackendComparison": (lambda _: sync_pb.GetBackendComparisonRequest(), ANSWERED),
    "IndexJobService/CreateIndexJob": (
        lambda _: index_jobs_pb.CreateIndexJobRequest(
            scope=index_jobs_pb.IndexScope(missing=index_jobs_pb.IndexMissing())
        ),
        ANSWERED,
    ),
    "IndexJobService/GetIndexJob": (
        lambda own: index_jobs_pb.GetIndexJobRequest(index_job_id=str(own.index_job_id)),
        "NOT_FOUND",
    ),
    "IndexJobService/ListIndexJobs": (lambda _: index_jobs_pb.ListIndexJobsRequest(), ANSWERED),
    "IndexJobService/CancelIndexJob": (
        lambda own: index_jobs_pb.CancelIndexJobRequest(index_job_id=str(own.index_job_id)),
        "NOT_FOUND",
    ),
    "IndexJobService/WatchIndexJob": (
        lambda own: index_jobs_pb.WatchIndexJobRequest(index_job_id=str(own.index_job_id)),
        "NOT_FOUND",
    ),
    "SourceService/UpsertSource": (lambda _: declared_source(), "PERMISSION_DENIED"),
    "SourceService/GetSource": (lambda _: sources_pb.GetSourceRequest(name="spices"), "NOT_FOUND"),
    "SourceService/ListSources": (lambda _: sources_pb.ListSourcesRequest(), ANSWERED),
    "SourceService/DeleteSource": (
        lambda _: sources_pb.DeleteSourceRequest(name="spices"),
        "PERMISSION_DENIED",
    ),
    "SourceService/TestSource": (lambda _: sources_pb.TestSourceRequest(name="spices"), "NOT_FOUND"),
    "SourceService/SyncSource": (lambda _: sources_pb.SyncSourceRequest(name="spices"), "NOT_FOUND"),
    "SpaceService/ListSpaces": (lambda _: spaces_pb.ListSpacesRequest(), "PERMISSION_DENIED"),
    "SpaceService/EstimateSwitch": (lambda _: spaces_pb.EstimateSwitchRequest(), "PERMISSION_DENIED"),
    "SpaceService/StartSwitch": (lambda _: spaces_pb.StartSwitchRequest(), "PERMISSION_DENIED"),
    "SpaceService/VerifySwitch": (lambda _: spaces_pb.VerifySwitchRequest(), "PERMISSION_DENIED"),
    "SpaceService/FlipSpace": (lambda _: spaces_pb.FlipSpaceRequest(force=True), "PERMISSION_DENIED"),
    "SpaceService/DropSpace": (lambda _: spaces_pb.DropSpaceRequest(key="x"), "PERMISSION_DENIED"),
    "AnswerService/SubmitFeedback": (
        lambda own: answers_pb.SubmitFeedbackRequest(
            answer_id=str(own.answer_id), session_id=str(own.session_id), rating=answers_pb.RATING_UP
        ),
        "NOT_FOUND",
    ),
    "InsightService/GetUsage": (lambda _: insights_pb.GetUsageRequest(), ANSWERED),
    "InsightService/RecordEvaluation": (lambda _: recorded_run(), ANSWERED),
    "InsightService/ListProcesses": (lambda _: insights_pb.ListProcessesRequest(), "PERMISSION_DENIED"),
    "InsightService/ListEvaluations": (lambda _: insights_pb.ListEvaluationsRequest(), ANSWERED),
    "InsightService/ListChatLogs": (
        lambda own: insights_pb.ListChatLogsRequest(
            filter=insights_pb.ChatLogFilter(session_id=str(own.session_id))
        ),
        ANSWERED,
    ),
    "InsightService/ExportChatLogs": (lambda _: insights_pb.ExportChatLogsRequest(), ANSWERED),
    "InsightService/ListUnanswered": (lambda _: insights_pb.ListUnansweredRequest(), ANSWERED),
    "InsightService/ResolveUnanswered": (
        lambda own: insights_pb.ResolveUnansweredRequest(
            group_id=str(own.gap_id), faq=insights_pb.FaqEntry(answer="Mine.")
        ),
        "NOT_FOUND",
    ),
    "InsightService/ListTopQuestions": (lambda _: insights_pb.ListTopQuestionsRequest(), ANSWERED),
    "InsightService/ListTopDocuments": (lambda _: insights_pb.ListTopDocumentsRequest(), ANSWERED),
}
METHODS = {f"{one.name}/{method.name}": method for one in server.SERVICES for method in one.methods}


async def called(running: Running, name: str, request: message.Message, key: str) -> list[message.Message]:
    """The messages an RPC of any kind answers with."""
    method = METHODS[name]
    respond = message_factory.GetMessageClass(method.output_type).FromString
    path, write = f"/kladez.v1.{name}", type(request).SerializeToString
    metadata = bearer(key)
    if method.client_streaming:
        call = running.channel.stream_stream(path, write, respond)
        return [one async for one in call(iter([request]), metadata=metadata)]
    if method.server_streaming:
        call = running.channel.unary_stream(path, write, respond)
        return [one async for one in call(request, metadata=metadata)]
    return [await running.channel.unary_unary(path, write, respond)(request, metadata=metadata)]


async def tried(running: Running, name: str, request: message.Message, key: str) -> tuple[str, str]:
    """How the RPC ended, and every word of what it said."""
    try:
        answers = await called(running, name, request, key)
    except grpc.aio.AioRpcError as error:
        return error.code().name, f"{error.details()} {error.trailing_metadata()}"
    return ANSWERED, str(answers)


async def test_no_rpc_is_forgotten() -> None:
    assert set(RPCS) == set(METHODS)


@pytest.mark.parametrize("name", sorted(RPCS))
async def test_wrong_tenant_gets_nothing_by_any_rpc(
    running: Running, owned: Owned, intruder: Shop, name: str
) -> None:
    request, expected = RPCS[name]
    before = await dump(running, owned.shop.tenant_id)
    code, told = await tried(running, name, request(owned), intruder.key)
    assert code == expected, told
    assert [secret for secret in owned.secrets if secret in told] == []
    assert await dump(running, owned.shop.tenant_id) == before


async def test_documents_key_of_another_tenant_is_not_found(owned: Owned, intruder: Shop) -> None:
    with refused("NOT_FOUND"):
        await intruder.client.get_document(documents_pb.GetDocumentRequest(key=key_of(owned)))
    with refused("NOT_FOUND"):
        await intruder.client.delete_document(documents_pb.DeleteDocumentRequest(key=key_of(owned)))


async def test_request_id_of_another_tenant_replays_nothing(owned: Owned, intruder: Shop) -> None:
    asked = answers_pb.StreamAnswerRequest(question=QUESTION, request_id=str(owned.request_id))
    events = [event async for event in intruder.client.stream_answer(asked)]
    answer = events[-1].completed.answer
    assert answer.answer_id != str(owned.answer_id)
    assert answer.finish_reason == answers_pb.FINISH_REASON_NO_RELEVANT_CONTENT
    assert not answer.references


async def test_import_of_another_tenant_starts_at_nothing(owned: Owned, intruder: Shop) -> None:
    events = await run_import(intruder, owned.import_id)
    assert events[0].ack.next_sequence == 0
    assert events[-1].summary.created_count == 1


async def test_counts_of_a_new_tenant_are_all_zero(owned: Owned, intruder: Shop) -> None:
    status = await intruder.client.get_sync_status(sync_pb.GetSyncStatusRequest())
    assert status == sync_pb.GetSyncStatusResponse()
    assert not (await intruder.client.get_usage(insights_pb.GetUsageRequest())).days


async def test_page_tokens_are_good_for_one_tenant_and_one_query(owned: Owned, intruder: Shop) -> None:
    listing = documents_pb.ListDocumentsRequest(page_size=1)
    listing.page_token = (await owned.shop.client.list_documents(listing)).next_page_token
    query = search_pb.SearchRequest(query=f"{MARK} nutmeg", page_size=1)
    query.page_token = (await owned.shop.client.search(query)).next_page_token
    assert listing.page_token
    assert query.page_token
    with refused("INVALID_ARGUMENT", field="page_token"):
        await intruder.client.list_documents(listing)
    with refused("INVALID_ARGUMENT", field="page_token"):
        await intruder.client.search(query)
    query.query = "another query"
    with refused("INVALID_ARGUMENT", field="page_token"):
        await owned.shop.client.search(query)


async def test_scores_of_one_tenant_do_not_depend_on_anothers_documents(
    running: Running, intruder: Shop
) -> None:
    for number, text in enumerate(("Cloves are dried in the sun.", "Nutmeg is grated.", "The sun is hot.")):
        await upsert(intruder, str(number), text, language="en")
    await wait_until_indexed(intruder)
    before = await scored(intruder)
    other = await new_shop(running)
    batch = [
        documents_pb.Document(
            source_type="faq", external_id=str(number), content=f"Dried cloves, sun {number}", language="en"
        )
        for number in range(200)
    ]
    await other.client.batch_upsert_documents(documents_pb.BatchUpsertDocumentsRequest(documents=batch))
    await wait_until_indexed(other)
    await asyncio.sleep(1.1)  # a small tenant's word weights are kept for a second
    assert await scored(intruder) == before
    assert before


async def scored(shop: Shop) -> list[tuple[str, float, float, float]]:
    response = await shop.client.search(search_pb.SearchRequest(query="dried cloves in the sun"))
    return [(hit.external_id, hit.score, hit.similarity, hit.lexical_score) for hit in response.hits]
