"""From an unanswered question to an FAQ entry that answers it, over the wire."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from typing import Any

import psycopg
import pytest
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import insight_service_pb2 as pb

from retrieval_service.domain.answering.answers import Completed, Question
from retrieval_service.domain.fragments import FinishReason
from retrieval_service.errors import NotIndexedYet
from retrieval_service.services.documents.importing import Importer
from retrieval_service.services.insights.gap_grouping import Collector
from retrieval_service.services.insights.gap_resolution import Entry, Resolver
from retrieval_service.services.retrieval.term_statistics import Weigher
from tests.kits.answers_kit import QUESTION, ask, lamp_shop, new_session
from tests.kits.insights_kit import NOTHING_KNOWN, asked, groups, only_group, rate, resolved, shop_with_gap
from tests.kits.likeness_table import ALONE, SAME
from tests.kits.service_kit import Running, Shop, new_shop, refused, running_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

GENEROUS_SECONDS = 15.0


async def document(shop: Shop, document_id: str) -> documents_pb.Document:
    request = documents_pb.GetDocumentRequest(document_id=document_id)
    return (await shop.client.get_document(request)).document


async def test_near_duplicates_are_one_group_with_count_and_examples(running: Running) -> None:
    wordings = ["Do you sell gift cards?", "Can I buy a gift card?", "gift cards available?"]
    _, group = await shop_with_gap(running, *wordings, *wordings, "do you have gift cards")
    assert (group.question, group.language) == (wordings[0], "en")
    assert (group.question_count, group.status) == (7, pb.UNANSWERED_STATUS_OPEN)
    assert [one.question for one in group.examples][:2] == ["do you have gift cards", wordings[2]]
    assert len(group.examples) == 5
    assert group.first_ask_time.ToDatetime() < group.last_ask_time.ToDatetime()


async def test_most_asked_group_comes_first_and_pages_continue(running: Running) -> None:
    shop, _ = await shop_with_gap(running)
    await asked(shop, "Who won the chess championship?", "who won the chess championship", "Is there wifi?")
    assert [one.question_count for one in await groups(running, shop)] == [2, 1, 1]
    request, seen = pb.ListUnansweredRequest(page_size=1), []
    while True:
        page = await shop.client.list_unanswered(request)
        seen += [group.group_id for group in page.groups]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert len(set(seen)) == len(seen) == 3


async def test_groups_of_two_tenants_never_mix(running: Running) -> None:
    _, group = await shop_with_gap(running)
    other, others = await shop_with_gap(running)
    assert group.group_id != others.group_id
    assert (group.question_count, others.question_count) == (1, 1)
    with refused("NOT_FOUND"):
        await resolved(other, group.group_id, "Mine.")


@pytest.mark.parametrize("language", sorted(SAME))
async def test_grouping_keeps_near_duplicates_together_and_look_alikes_apart(
    running: Running, language: str
) -> None:
    shop = await new_shop(running, languages=[language])
    wordings = [text for group in SAME[language] for text in group] + list(ALONE[language])
    await asyncio.gather(*(ask(shop, text, language=language) for text in wordings))
    numbers = {text: number for number, group in enumerate(SAME[language]) for text in group}
    found = await whole_groups(running, shop)
    kinds = [{numbers.get(text, text) for text in group} for group in found]
    strangers = sum(len(kind) - 1 for kind in kinds)
    pieces = sum(number in kind for kind in kinds for number in range(len(SAME[language])))
    sys.stdout.write(f"{language}: {len(found)} groups, {strangers} strangers, {pieces} pieces\n")
    assert strangers <= 1
    assert pieces <= 9
    assert sum(map(len, found)) == len(wordings)


async def whole_groups(running: Running, shop: Shop) -> list[list[str]]:
    """Every question of each group."""
    await running.service.collector.collect(uuid.UUID(shop.tenant_id))
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        cursor = await connection.execute(
            "SELECT array_agg(question) FROM chat_logs WHERE tenant_id = %(tenant_id)s GROUP BY gap_id",
            {"tenant_id": shop.tenant_id},
        )
        return [row[0] for row in await cursor.fetchall()]


CASES = {
    "en": (
        "Do you sell gift cards?",
        "Yes: gift cards of 20 and 50 euro are sold at the till.",
        "gift cards",
        "Can I buy a gift card?",
    ),
    "ru": (
        "Есть ли у вас подарочные карты?",
        "Да, подарочные карты на 20 и 50 евро продаются на кассе.",
        "подарочные карты",
        "Можно купить подарочную карту?",
    ),
    "pt": (
        "Vocês têm cartão-presente?",
        "Sim, vendemos cartões-presente de 20 e 50 euros no caixa.",
        "cartões-presente",
        "Posso comprar um cartão presente?",
    ),
}
LABELS = {"en": "Question: ", "ru": "Вопрос: ", "pt": "Pergunta: "}


@pytest.mark.parametrize("language", sorted(CASES))
async def test_unanswered_question_becomes_an_faq_and_is_answered_at_once(
    running: Running, language: str
) -> None:
    question, answer, phrase, another = CASES[language]
    shop, group = await shop_with_gap(running, question)
    started = time.perf_counter()
    done = await resolved(shop, group.group_id, answer)
    seconds = time.perf_counter() - started
    sys.stdout.write(f"{language}: from the entry to its answer in {seconds:.2f} s\n")
    assert seconds < GENEROUS_SECONDS
    assert (done.answered, done.group.answered) == (True, True)
    assert done.group.status == pb.UNANSWERED_STATUS_RESOLVED
    assert phrase in done.answer_text
    assert done.document_id in [one.document_id for one in done.references]
    made = await document(shop, done.document_id)
    assert (made.source_type, made.language, made.title) == ("faq", language, question)
    assert made.content.startswith(f"{LABELS[language]}{question}\n")
    heard = await ask(shop, another)
    assert phrase in heard.text


async def test_check_of_an_entry_leaves_no_question_in_the_log(running: Running) -> None:
    shop, group = await shop_with_gap(running)
    await resolved(shop, group.group_id, "Gift cards are sold at the till.")
    logs = (await shop.client.list_chat_logs(pb.ListChatLogsRequest())).chat_logs
    assert [log.answer.question for log in logs] == [NOTHING_KNOWN]
    [again] = await groups(running, shop)
    assert (again.question_count, again.status) == (1, pb.UNANSWERED_STATUS_RESOLVED)


async def test_check_of_an_entry_counts_as_nobodys_question(running: Running) -> None:
    shop, group = await shop_with_gap(running)
    before = await told(shop)
    await resolved(shop, group.group_id, "Gift cards are sold at the till.")
    again = await resolved(shop, group.group_id, "We open at nine.", question="Opening hours")
    assert not again.group.answered
    assert await told(shop) == before
    await asked(shop, NOTHING_KNOWN)
    [today] = (await shop.client.get_usage(pb.GetUsageRequest())).days
    assert today.answer_count == 2


async def told(shop: Shop) -> tuple[object, ...]:
    """What the tenant is told of its customers' questions."""
    client = shop.client
    [today] = (await client.get_usage(pb.GetUsageRequest())).days
    counts = (today.answer_count, today.unanswered_count, today.search_count, today.answered_share)
    questions = (await client.list_top_questions(pb.ListTopQuestionsRequest())).questions
    cited = (await client.list_top_documents(pb.ListTopDocumentsRequest())).documents
    return (*counts, list(questions), list(cited))


async def test_answer_on_trial_is_never_in_the_log(running: Running) -> None:
    shop = await lamp_shop(running)
    question = Question(text=NOTHING_KNOWN, is_trial=True)
    events = running.service.answering.answer(uuid.UUID(shop.tenant_id), question)
    heard = []
    async for event in events:
        assert not (await shop.client.list_chat_logs(pb.ListChatLogsRequest())).chat_logs
        heard.append(event)
    assert isinstance(heard[-1], Completed)
    assert heard[-1].answer.finish_reason == FinishReason.NO_RELEVANT_CONTENT
    assert not await groups(running, shop)


async def test_second_entry_updates_the_same_document(running: Running) -> None:
    shop, group = await shop_with_gap(running)
    first = await resolved(shop, group.group_id, "Gift cards are sold at the till.")
    fields = {"question": "Are there gift cards?", "title": "Gift cards"}
    second = await resolved(shop, group.group_id, "Gift cards are sold online.", **fields)
    assert second.document_id == first.document_id
    made = await document(shop, second.document_id)
    assert (made.title, made.external_id) == ("Gift cards", f"gap-{group.group_id}")
    assert made.content == "Question: Are there gift cards?\nAnswer: Gift cards are sold online."
    assert "online" in second.answer_text


async def test_entry_that_does_not_help_leaves_the_group_open_and_says_so(running: Running) -> None:
    shop, group = await shop_with_gap(running, "Who won the chess championship?")
    fields = {"question": "Opening hours", "language": "en"}
    done = await resolved(shop, group.group_id, "We open at nine.", **fields)
    assert (done.answered, done.group.status) == (False, pb.UNANSWERED_STATUS_OPEN)
    assert done.group.HasField("answered")
    assert not done.group.answered
    assert done.group.document_id == done.document_id


async def test_resolved_group_opens_again_when_its_question_is_unanswered_later(running: Running) -> None:
    shop, group = await shop_with_gap(running)
    done = await resolved(shop, group.group_id, "Gift cards are sold at the till.")
    await shop.client.delete_document(documents_pb.DeleteDocumentRequest(document_id=done.document_id))
    await asyncio.sleep(1.1)  # a small tenant's word weights are kept for a second
    await asked(shop, "Can I buy gift cards?")
    again = await only_group(running, shop)
    assert (again.group_id, again.question_count) == (group.group_id, 2)
    assert (again.status, again.answered) == (pb.UNANSWERED_STATUS_OPEN, False)


async def test_ignored_group_stays_ignored_and_statuses_filter(running: Running) -> None:
    shop, group = await shop_with_gap(running)
    request = pb.ResolveUnansweredRequest(group_id=group.group_id, ignore=pb.IgnoreGroup())
    assert (await shop.client.resolve_unanswered(request)).group.status == pb.UNANSWERED_STATUS_IGNORED
    await asked(shop, "Can I buy gift cards?")
    assert not await groups(running, shop, status=pb.UNANSWERED_STATUS_OPEN)
    [ignored] = await groups(running, shop, status=pb.UNANSWERED_STATUS_IGNORED)
    assert ignored.question_count == 2


async def test_down_voted_answer_is_mended_by_an_entry(running: Running) -> None:
    shop = await lamp_shop(running)
    session_id = await new_session(shop, channel="telegram")
    [answer_id] = await asked(shop, QUESTION, session_id=session_id)
    await rate(shop, answer_id, answers_pb.RATING_DOWN, session_id=session_id)
    group = await only_group(running, shop)
    assert group.examples[0].channel == "telegram"
    done = await resolved(shop, group.group_id, "A lamp may be returned within forty days.")
    assert "forty days" in done.answer_text
    assert done.group.status == pb.UNANSWERED_STATUS_RESOLVED


async def test_follow_ups_are_grouped_and_asked_again_as_they_were_understood(running: Running) -> None:
    shop = await lamp_shop(running)
    for question in ("May a lamp be returned?", "How much does shipping of a parcel cost?"):
        session_id = await new_session(shop)
        _, answer_id = await asked(shop, question, "And how long does it take?", session_id=session_id)
        await rate(shop, answer_id, answers_pb.RATING_DOWN, session_id=session_id)
    found = await groups(running, shop)
    assert sorted(group.question for group in found) == [
        "And how long does it take? Returns",
        "And how long does it take? Shipping",
    ]
    assert {example.question for group in found for example in group.examples} == {
        "And how long does it take?"
    }


async def test_worker_groups_by_itself(running: Running) -> None:
    shop = await lamp_shop(running)
    await asked(shop, NOTHING_KNOWN)
    async with asyncio.timeout(GENEROUS_SECONDS):
        while True:
            found = (await shop.client.list_unanswered(pb.ListUnansweredRequest())).groups
            if found:
                break
            await asyncio.sleep(0.1)
    assert found[0].question == NOTHING_KNOWN


async def test_two_workers_at_once_make_one_group(running: Running) -> None:
    shop = await lamp_shop(running)
    await asked(shop, *["Do you sell gift cards?"] * 5, "Is there wifi?")
    tenant_id = uuid.UUID(shop.tenant_id)
    await asyncio.gather(*(running.service.collector.collect(tenant_id) for _ in range(4)))
    assert [one.question_count for one in await groups(running, shop)] == [5, 1]


async def test_question_that_comes_while_others_are_grouped_is_not_forgotten(running: Running) -> None:
    shop = await lamp_shop(running)
    service = running.service
    late = LateQuestion(service.database, service.embedders)
    late.shop = shop
    while not late.has_come:  # the service's own worker may have been faster
        await asked(shop, NOTHING_KNOWN)
        await late.run_housekeeping()
    await late.run_housekeeping()
    async with running.service.database.operator() as operator:
        waiting = await operator.execute("SELECT tenant_id::text FROM gap_inbox")
        assert (shop.tenant_id,) not in await waiting.fetchall()
    assert {one.question for one in await groups(running, shop)} == {NOTHING_KNOWN, "Is there wifi?"}


class LateQuestion(Collector):
    """Another question comes after the last look for ungrouped ones and before the inbox is emptied."""

    shop: Shop | None = None
    has_come = False

    async def collect(self, tenant_id: uuid.UUID) -> None:
        await super().collect(tenant_id)
        if self.shop is not None and str(tenant_id) == self.shop.tenant_id and not self.has_come:
            await asked(self.shop, "Is there wifi?")
            self.has_come = True


async def test_erased_questions_leave_their_group_and_an_empty_group_is_gone(running: Running) -> None:
    shop, group = await shop_with_gap(running)
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        parameters = {"tenant_id": shop.tenant_id}
        await connection.execute("DELETE FROM chat_logs WHERE tenant_id = %(tenant_id)s", parameters)
        assert not await groups(running, shop)
        with refused("NOT_FOUND"):
            await resolved(shop, group.group_id, "Too late.")
        await asked(shop, "Is there wifi?")
        await groups(running, shop)
        cursor = await connection.execute(
            "SELECT count(*) FROM question_gaps WHERE tenant_id = %(tenant_id)s", parameters
        )
        assert await cursor.fetchone() == (1,)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "resolution"),
        ({"faq": pb.FaqEntry()}, "faq.answer"),
        ({"faq": pb.FaqEntry(answer="\u200b\u2060")}, "faq.answer"),
        ({"faq": pb.FaqEntry(answer="x" * 8_001)}, "faq.answer"),
        ({"faq": pb.FaqEntry(answer="x", question="x" * 501)}, "faq.question"),
        ({"faq": pb.FaqEntry(answer="x", language="eng")}, "faq.language"),
        ({"faq": pb.FaqEntry(answer="x"), "group_id": "mine"}, "group_id"),
    ],
)
async def test_wrong_entry_is_refused_by_field(running: Running, fields: dict[str, Any], wrong: str) -> None:
    shop = await new_shop(running)
    request = pb.ResolveUnansweredRequest(**{"group_id": str(uuid.uuid4()), **fields})
    with refused("INVALID_ARGUMENT", field=wrong):
        await shop.client.resolve_unanswered(request)


async def test_late_index_is_told_honestly_and_a_repeat_goes_on_with_the_kept_document(
    database_dsn: str,
) -> None:
    async with running_service(database_dsn, workers=0) as idle:
        shop = await new_shop(idle)
        await asked(shop, NOTHING_KNOWN)
        group = await only_group(idle, shop)
        service, tenant_id = idle.service, uuid.UUID(shop.tenant_id)
        resolver = Resolver(
            service.database,
            Importer(service.database),
            service.answering,
            Weigher(service.database),
            service.retrieval.chooser,
            indexing_seconds=0.1,
        )
        with pytest.raises(NotIndexedYet) as late:
            await resolver.resolve(tenant_id, uuid.UUID(group.group_id), Entry(answer="At the till."))
        assert late.value.reason == "NOT_INDEXED_YET"
        waiting = await only_group(idle, shop)
        assert (waiting.status, bool(waiting.document_id)) == (pb.UNANSWERED_STATUS_OPEN, True)
        kept = await document(shop, waiting.document_id)
    async with running_service(database_dsn) as working:
        shop = Shop(tenant=shop.tenant, client=working.client.for_tenant(shop.tenant_id), key=working.key)
        done = await resolved(shop, group.group_id, "Gift cards are sold at the till.")
        assert done.document_id == kept.document_id
        assert done.group.status == pb.UNANSWERED_STATUS_RESOLVED
