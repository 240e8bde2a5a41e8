"""Both local models in one vector: whose cosine counts, and that it is a cosine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from retrieval_service.domain.indexing.spaces import Vectors
from retrieval_service.domain.retrieval.query_readings import Familiarity
from retrieval_service.providers.local import composite, e5, minilm
from retrieval_service.providers.local.composite import SPACE, Encoded, compose, open_composite
from retrieval_service.providers.local.e5 import open_e5
from retrieval_service.providers.local.embedding import LocalEmbedder
from retrieval_service.providers.local.minilm import open_minilm

ENGLISH = [
    "Refunds are paid within five days of the return.",
    "The grinder has a conical burr and weighs 2 kg.",
]
RUSSIAN = ["Деньги возвращаем за пять дней после возврата.", "Кофемолка с коническими жерновами весит 2 кг."]
PORTUGUESE = ["O reembolso é feito em até cinco dias após a devolução."]
PASSAGES = [*ENGLISH, *RUSSIAN, *PORTUGUESE]
ARE_ENGLISH = np.array([True, True, False, False, False])
QUESTIONS = {
    "en": "when do I get my money back",
    "ru": "когда вернут деньги за заказ",
    "pt": "quando recebo o meu dinheiro de volta",
}

Embedder = LocalEmbedder[Encoded]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedder() -> AsyncIterator[Embedder]:
    opened = await open_composite(workers=1)
    yield opened
    await opened.close()


def random_rows(count: int) -> Vectors:
    rows = np.random.default_rng(7).normal(size=(count, 384))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_composed_vectors_have_unit_length_and_their_products_are_the_composed_cosines() -> None:
    multilingual, english = random_rows(8), random_rows(16)[8:]
    english[[1, 3, 5]] = 0
    asks = [True] * 4 + [False] * 4
    rows = compose(multilingual, english, asks)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    share, both = composite.MINILM_SHARE, english.any(axis=1)
    expected = (1 - share) / composite.E5_RANGE * (multilingual[:4] @ multilingual[4:].T)
    more = share / composite.MINILM_RANGE * (english[:4] @ english[4:].T - composite.MINILM_FLOOR)
    expected += more * (both[:4, None] & both[None, 4:])
    found = rows[:4] @ rows[4:].T
    np.testing.assert_allclose(found / found[0, 0], expected / expected[0, 0], rtol=1e-4)


async def test_the_space_names_both_models_and_their_shares(embedder: Embedder) -> None:
    assert embedder.space is SPACE
    assert SPACE.key == "local/multilingual-e5-small-q4+all-MiniLM-L6-v2@1571fc98+0.4x53aa5117:771"
    assert (SPACE.languages, SPACE.scripts, SPACE.max_tokens) == (frozenset(), frozenset(), 512)


@pytest.mark.parametrize("language", QUESTIONS)
async def test_the_order_is_that_of_both_cosines_together(embedder: Embedder, language: str) -> None:
    one, other = await open_e5(workers=1), await open_minilm(workers=1)
    question = QUESTIONS[language]
    found = (await embedder.embed_passages(PASSAGES)).vectors @ (
        await embedder.embed_query(question)
    ).vectors[0]
    e5s = (await one.embed_passages(PASSAGES)).vectors @ (await one.embed_query(question)).vectors[0]
    minilms = (await other.embed_passages(PASSAGES)).vectors @ (await other.embed_query(question)).vectors[0]
    await one.close()
    await other.close()
    is_read = ARE_ENGLISH if language == "en" else np.zeros(len(PASSAGES), bool)
    share = composite.MINILM_SHARE
    raised = np.where(is_read, (minilms - composite.MINILM_FLOOR) / composite.MINILM_RANGE, 0)
    expected = (1 - share) / composite.E5_RANGE * e5s + share * raised
    np.testing.assert_allclose(found / found[-1], expected / expected[-1], rtol=1e-3)


async def test_languages_that_minilm_does_not_read_cost_and_change_nothing(embedder: Embedder) -> None:
    alone = await open_e5(workers=1)
    russian, plain = await embedder.embed_passages(RUSSIAN), await alone.embed_passages(RUSSIAN)
    await alone.close()
    assert russian.tokens == plain.tokens
    assert not russian.vectors[:, e5.SPACE.dimensions : e5.SPACE.dimensions + minilm.SPACE.dimensions].any()
    directions = russian.vectors[:, : e5.SPACE.dimensions]
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    assert (directions * plain.vectors).sum(axis=1).min() > 0.9999
    assert (await embedder.embed_passages(ENGLISH)).tokens > (
        await embedder.embed_passages(RUSSIAN[:1])
    ).tokens


async def test_a_text_has_the_same_vector_alone_and_among_others(embedder: Embedder) -> None:
    together = (await embedder.embed_passages(PASSAGES * 3)).vectors
    for row, text in enumerate(PASSAGES):
        alone = (await embedder.embed_passages([text])).vectors[0]
        assert float(alone @ together[row]) > 0.9999


async def test_a_question_finds_its_passage_in_its_own_and_in_other_languages(embedder: Embedder) -> None:
    passages = (await embedder.embed_passages(PASSAGES)).vectors
    for question in QUESTIONS.values():
        refund_en, grinder_en, refund_ru, grinder_ru, _ = (
            passages @ (await embedder.embed_query(question)).vectors[0]
        )
        assert refund_en > grinder_en
        assert refund_ru > grinder_ru


@pytest.mark.parametrize(
    ("familiarity", "words"),
    [
        (Familiarity.KNOWN, ("возврат", "insurance", "tent", "diving", "seguro", "estacionamento")),
        (Familiarity.POSSIBLE, ("зонт", "шуба", "mochilas", "televisores")),
        (Familiarity.STRANGE, ("вилосипед", "паркквока", "dleivery", "vacsination", "tlevizão")),
    ],
)
async def test_words_of_a_language_are_told_from_letters(
    embedder: Embedder, familiarity: Familiarity, words: tuple[str, ...]
) -> None:
    assert {word: embedder.familiarity(word) for word in words} == dict.fromkeys(words, familiarity)
