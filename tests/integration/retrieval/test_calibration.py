"""How the cosines of an unknown model are read is measured when its space is registered, over HTTP as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from kladez.v1 import space_service_pb2 as pb
from numpy.typing import NDArray
from pydantic import SecretStr

from retrieval_service.cli.commands import spaces as shown
from retrieval_service.composition import opening
from retrieval_service.domain.indexing.calibration import fingerprint
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.providers.local import e5
from retrieval_service.services.operations.doctor_checks import Finding, examine
from retrieval_service.services.spaces import calibration
from tests.fakes.openai.fake import FakeOpenAI
from tests.fakes.openai.faults import Fault
from tests.fakes.openai.server import running_openai
from tests.kits.indexing_kit import EMBEDDINGS
from tests.kits.service_kit import new_shop, running_service, settings_for_tests

MODEL = "served-elsewhere"


@pytest.fixture(scope="module")
def network() -> e5.E5Small:
    return e5.load()


@pytest.fixture
async def served_e5(network: e5.E5Small) -> AsyncIterator[FakeOpenAI]:
    """A server with e5 under a name that nobody knows; the prefixes come with the texts."""

    def embedded(text: str, _: int) -> NDArray[np.float32]:
        is_query = text.startswith(e5.QUERY_PREFIX)
        encode = network.encode_query if is_query else network.encode_passage
        ids = encode(text.removeprefix(e5.QUERY_PREFIX if is_query else e5.PASSAGE_PREFIX))
        return np.asarray(network.infer([ids])[0], np.float32)

    async with running_openai() as server:
        server.embedded = embedded
        yield server


def served(fake: FakeOpenAI) -> dict[str, Any]:
    return {
        "embedder": "openai",
        "embedding_model": MODEL,
        "openai_api_key": SecretStr("test"),
        "openai_base_url": fake.base_url,
        "embedding_query_prefix": e5.QUERY_PREFIX,
        "embedding_passage_prefix": e5.PASSAGE_PREFIX,
    }


async def cosines(settings: dict[str, Any], dsn: str) -> Finding:
    """The doctor's line."""
    findings = await examine(await asyncio.to_thread(settings_for_tests, **settings), dsn)
    return next(finding for finding in findings if finding.name.startswith("cosines of "))


async def test_e5_at_a_server_is_measured_as_e5_is_and_stays_so(
    database_dsn: str, served_e5: FakeOpenAI
) -> None:
    settings = await asyncio.to_thread(settings_for_tests, **served(served_e5))
    async with opening.open_service(settings, database_dsn) as service:
        embedders = service.embedders
        assert embedders.uncalibrated_ids == [service.space_id]
        await service.calibrator.run()
        assert embedders.uncalibrated_ids == []
        scale = embedders.home_space.scale
        assert scale is not None
        assert scale.floor == pytest.approx(e5.SCALE.floor, abs=0.02)
        assert scale.spread == pytest.approx(e5.SCALE.spread, abs=0.02)
        assert scale.share == e5.SCALE.share
        assert embedders.home_space.languages == frozenset()
        for language in ("ru", "en", "pt"):
            assert scale.alike[language] == pytest.approx(e5.SCALE.alike[""], abs=0.02)
    async with opening.open_service(settings, database_dsn) as service:
        assert service.embedders.home_space.scale == scale
    async with running_service(database_dsn, **served(served_e5)) as running:
        shop = await new_shop(running)
        operator = running.client.for_tenant(shop.tenant_id)
        [space] = (await operator.list_spaces(pb.ListSpacesRequest())).spaces
        assert space.scale.floor == pytest.approx(scale.floor)
        assert f"share {scale.share:.2f}" in shown.cosines(space)
        finding = await cosines(served(served_e5), database_dsn)
        assert finding.ok
        assert "reads en, pt, ru" in finding.detail


async def test_words_decide_while_the_provider_is_away_and_the_doctor_says_why(
    database_dsn: str, served_e5: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "PAUSE_SECONDS", 0.05)
    settings = await asyncio.to_thread(settings_for_tests, **served(served_e5))
    async with opening.open_service(settings, database_dsn) as service:
        served_e5.fail(Fault(path=EMBEDDINGS, times=1, status=400, kind="invalid_request_error"))
        await service.calibrator.calibrate()
        assert service.embedders.home_space.scale is None
        await service.manager.create_tenant("Shop", TenantSettings())
        finding = await cosines(served(served_e5), database_dsn)
        assert not finding.ok
        assert "words decide" in finding.detail
        await service.calibrator.run()
        assert service.embedders.home_space.scale is not None


async def test_what_other_texts_or_rules_measured_is_measured_again(
    database_dsn: str, served_e5: FakeOpenAI
) -> None:
    settings = await asyncio.to_thread(settings_for_tests, **served(served_e5))
    async with opening.open_service(settings, database_dsn) as service:
        await service.calibrator.run()
        async with service.database.owner() as owner:
            await owner.execute(
                """UPDATE embedding_spaces SET calibration = calibration || '{"texts": "of before"}'"""
            )
    async with opening.open_service(settings, database_dsn) as service:
        assert service.embedders.uncalibrated_ids == [service.space_id]
        await service.calibrator.run()
        async with service.database.owner() as owner:
            cursor = await owner.execute("SELECT calibration ->> 'texts' FROM embedding_spaces")
            assert await cursor.fetchone() == (fingerprint(),)


async def test_space_whose_model_says_the_same_of_everything_was_measured_and_reads_nothing(
    database_dsn: str, served_e5: FakeOpenAI
) -> None:
    served_e5.embedded = lambda _text, length: np.ones(length, dtype=np.float32)
    settings = await asyncio.to_thread(settings_for_tests, **served(served_e5))
    async with opening.open_service(settings, database_dsn) as service:
        await service.calibrator.run()
        assert service.embedders.home_space.scale is None
    async with running_service(database_dsn, **served(served_e5)) as running:
        operator = running.client.for_tenant((await new_shop(running)).tenant_id)
        [space] = (await operator.list_spaces(pb.ListSpacesRequest())).spaces
        assert shown.cosines(space) == "measured: reads none of the languages"
