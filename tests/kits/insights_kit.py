"""Questions asked, rated and grouped as customers and workers do it, and chat logs by the thousand."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import insight_service_pb2 as pb

from tests.kits.answers_kit import ask, lamp_shop, new_session
from tests.kits.service_kit import Running, Shop

NOTHING_KNOWN = "Do you sell gift cards?"


async def asked(shop: Shop, *questions: str, session_id: str = "") -> list[str]:
    """The ids of the answers."""
    return [(await ask(shop, one, session_id=session_id)).started.answer_id for one in questions]


async def rate(
    shop: Shop, answer_id: str, rating: answers_pb.Rating.ValueType, *, session_id: str = "", reason: str = ""
) -> None:
    request = answers_pb.SubmitFeedbackRequest(
        answer_id=answer_id, session_id=session_id, rating=rating, reason=reason
    )
    await shop.client.submit_feedback(request)


async def groups(running: Running, shop: Shop, **fields: Any) -> Sequence[pb.UnansweredGroup]:
    """The groups once nothing is left to be grouped."""
    await running.service.collector.collect(uuid.UUID(shop.tenant_id))
    return (await shop.client.list_unanswered(pb.ListUnansweredRequest(**fields))).groups


async def only_group(running: Running, shop: Shop) -> pb.UnansweredGroup:
    [group] = await groups(running, shop)
    return group


async def shop_with_gap(running: Running, *questions: str) -> tuple[Shop, pb.UnansweredGroup]:
    """A shop of lamps that knows nothing of what was asked."""
    shop = await lamp_shop(running)
    await asked(shop, *(questions or (NOTHING_KNOWN,)))
    return shop, await only_group(running, shop)


async def resolved(shop: Shop, group_id: str, answer: str, **fields: str) -> pb.ResolveUnansweredResponse:
    entry = pb.FaqEntry(answer=answer, **fields)
    return await shop.client.resolve_unanswered(pb.ResolveUnansweredRequest(group_id=group_id, faq=entry))


async def chat_logs(shop: Shop, **fields: Any) -> list[pb.ChatLog]:
    request = pb.ListChatLogsRequest(filter=pb.ChatLogFilter(**fields))
    return list((await shop.client.list_chat_logs(request)).chat_logs)


async def exported(shop: Shop, **fields: Any) -> list[pb.ChatLog]:
    request = pb.ExportChatLogsRequest(filter=pb.ChatLogFilter(**fields))
    return [row.chat_log async for row in shop.client.export_chat_logs(request)]


MANY = """
INSERT INTO chat_logs (tenant_id, id, question, answer, language, status, finish_reason, latency_ms, created_at,
    context, citations)
SELECT %(tenant_id)s, gen_random_uuid(), 'question ' || n, 'answer ' || n, 'en', 'completed', 'stop', n,
    now() - make_interval(secs => n / 2),
    jsonb_build_array(jsonb_build_object('number', 1, 'document_id', %(document_id)s::text, 'chunk_id', 'c',
        'source_type', 'faq', 'external_id', 'x', 'title', 'T', 'url', '', 'snippet', repeat('s', 500),
        'score', 0.5)),
    '[[0, 6, [1]]]'
FROM generate_series(1, %(count)s) AS n
"""


async def log_many(running: Running, shop: Shop, count: int) -> None:
    """Answers number 1 to `count`, the first the newest; two of them come at the same moment."""
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        parameters = {"tenant_id": shop.tenant_id, "count": count, "document_id": str(uuid.uuid4())}
        await connection.execute(MANY, parameters)


async def session_of(shop: Shop, channel: str, user_key: str = "") -> str:
    return await new_session(shop, channel=channel, user_key=user_key)
