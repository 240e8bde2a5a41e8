"""Mistyped questions are answered from the document that they mean, and are kept as they were typed."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb

from retrieval_service.services.retrieval import query_correction
from retrieval_service.services.retrieval.term_statistics import FEW_CHUNKS, Weigher
from tests.kits.answers_kit import ask
from tests.kits.service_kit import Running, Shop, new_shop, upsert, wait_until_indexed

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAIT_SECONDS = 20.0

ENTRIES = {
    "ru": {
        "parking": ("Есть ли у клиники парковка?", "Да, парковка во дворе, вход со стороны сквера."),
        "prices": ("Сколько стоит прививка от гриппа?", "Прививка стоит 900 рублей."),
        "cable": ("Кабель 3х1,5", "Кабель 3х1,5 стоит 65 рублей за метр."),
        "thick": ("Кабель 3х2,5", "Кабель 3х2,5 стоит 95 рублей за метр."),
        "tyre": ("Автошина", "Зимняя автошина стоит 7000 рублей."),
        "pump": ("Насос Орлан HX-7731LR", "Насос качает сорок литров."),
    },
    "en": {
        "parking": ("Is there parking at the clinic?", "Yes, parking is in the yard behind it."),
        "prices": ("How much is a flu vaccination?", "A vaccination costs 90 pounds."),
        "sharp": ("Handbook of C#", "The handbook of C# costs 45 pounds."),
        "plus": ("Handbook of C++", "The handbook of C++ costs 35 pounds."),
    },
    "pt": {
        "parking": ("A clínica tem estacionamento?", "Sim, o estacionamento fica no pátio."),
        "prices": ("Quanto custa a vacina da gripe?", "A vacina custa 90 reais."),
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shops(running: Running) -> dict[str, Shop]:
    shops = {language: await new_shop(running, languages=[language]) for language in ENTRIES}
    for language, entries in ENTRIES.items():
        for name, (title, text) in entries.items():
            await upsert(shops[language], name, text, title=title, language=language)
        await wait_until_indexed(shops[language])
    return shops


@pytest.mark.parametrize(
    ("language", "typed", "meant"),
    [
        ("ru", "есть ли парквока у клиинки", "parking"),
        ("ru", "скок стиот прививвка", "prices"),
        ("ru", "сколькостоитпрививка", "prices"),
        ("ru", "Cколько cтоит пpививкa", "prices"),
        ("ru", "crjkmrj cnjbn ghbdbdrf", "prices"),
        ("ru", "skolko stoit privivka", "prices"),
        ("ru", "сколько стоит кабель 3 x 1.5", "cable"),
        ("ru", "сколько стоит кабель 3*2,5", "thick"),
        ("ru", "сколько стоит кабель 3 на 1.5", "cable"),
        ("ru", "насос x7731lr", "pump"),
        ("ru", "насос 7731", "pump"),
        ("en", "is thare parkign at the clinc", "parking"),
        ("en", "how much is a vacination", "prices"),
        ("en", "how much is the C# handbook", "sharp"),
        ("en", "how much is the C++ handbook", "plus"),
        ("pt", "a clinica tem estacionamneto", "parking"),
        ("pt", "quanto custa a vacnia da gripe", "prices"),
    ],
)
async def test_mistyped_question_is_answered_from_what_it_means(
    shops: dict[str, Shop], language: str, typed: str, meant: str
) -> None:
    heard = await ask(shops[language], typed)
    answer = heard.completed.answer
    assert heard.completed.finish_reason == pb.FINISH_REASON_STOP
    assert heard.started.references[0].external_id == meant
    assert (answer.question, answer.standalone_question, answer.language) == (typed, "", language)


async def test_exact_word_of_a_new_document_wins_over_what_it_looks_like(running: Running) -> None:
    shop = await new_shop(running, languages=["en"])
    for number in range(FEW_CHUNKS + 1):
        await upsert(shop, f"pillow-{number}", f"Pillow number {number} costs {number} pounds.")
    await wait_until_indexed(shop)
    assert (await ask(shop, "pilow")).started.references[0].external_id.startswith("pillow")
    await upsert(shop, "pilow", "Pilow is a board game.")
    await wait_until_indexed(shop)
    assert (await ask(shop, "what is pilow")).started.references[0].external_id == "pilow"


async def test_question_in_a_language_that_no_passage_is_in_stays(running: Running) -> None:
    shop = await new_shop(running, languages=["ru", "en", "pt"])
    await upsert(shop, "phone", "Old phones are taken back. Call us by telephone.", language="en")
    await wait_until_indexed(shop)
    weights = await Weigher(running.service.database).weights(UUID(shop.tenant_id))
    rereader = query_correction.Rereader(running.service.database)
    familiar = running.service.embedders.home.familiarity
    typed = "Можно ли сдать старый телефон и получить деньги?"
    reading = await rereader.read(UUID(shop.tenant_id), typed, weights, ["ru", "en", "pt"], familiar)
    assert (reading.text, reading.guess) == (typed, "")


async def test_question_waits_for_no_vocabulary_that_takes_long(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await new_shop(running, languages=["en"])
    for number in range(FEW_CHUNKS + 1):
        await upsert(shop, f"lantern-{number}", f"Lantern number {number} shines far.", title=f"Row {number}")
    await wait_until_indexed(shop)
    monkeypatch.setattr(query_correction, "PATIENCE_SECONDS", 0.0)
    weights = await Weigher(running.service.database).weights(UUID(shop.tenant_id))
    rereader = query_correction.Rereader(running.service.database)

    async def guess() -> str:
        familiar = running.service.embedders.home.familiarity
        return (await rereader.read(UUID(shop.tenant_id), "lantren", weights, ["en"], familiar)).guess

    assert await guess() == ""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await guess():  # noqa: ASYNC110 - it is made beside
            await asyncio.sleep(0.05)
    assert await guess() == "lantern"
