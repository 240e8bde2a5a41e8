"""Measures how the cosines of spaces are to be read whose models bring no scale of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.indexing.calibration import Calibration, Sample, Topic, calibrated, topics
from retrieval_service.domain.indexing.spaces import Vectors
from retrieval_service.providers.ports import Embedder
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.stores.database import Database
from retrieval_service.stores.tenants import spaces
from retrieval_service.stores.tenants.tenant_spaces import Session

log = structlog.get_logger("kladez.calibrating")

PAUSE_SECONDS = 30.0


class Calibrator:
    """One process measures a space and stores what it found; the others read that."""

    def __init__(self, database: Database, embedders: Embedders) -> None:
        self._database = database
        self._embedders = embedders

    async def run(self) -> None:
        """Until every open space is calibrated; tries again while a provider is away."""
        while self._embedders.uncalibrated_ids:
            try:
                await self.calibrate()
            except errors.Unavailable as error:
                log.warning("calibration_left", error=str(error))
            if self._embedders.uncalibrated_ids:
                await asyncio.sleep(PAUSE_SECONDS)

    async def calibrate(self) -> None:
        """Every open space that is not calibrated yet, once."""
        for space_id in self._embedders.uncalibrated_ids:
            async with self._database.owner() as owner:
                known = await spaces.calibration(owner, space_id)
                if known is None and await spaces.lock_calibration(owner, space_id):
                    known = await self._measured(owner, space_id)
            if known is not None:
                self._embedders.calibrate(space_id, known)

    async def _measured(self, owner: Session, space_id: int) -> Calibration | None:
        """None when the provider does not answer, which is noted with the space."""
        embedder = self._embedders.get(space_id)
        if embedder is None:
            return None
        try:
            measured = await measure(embedder)
        except (errors.ProviderUnavailable, errors.ProviderRefused) as error:
            log.warning("space_not_calibrated", space=embedder.space.key, error=str(error))
            await spaces.note_calibration_failed(owner, space_id, str(error))
            return None
        await spaces.calibrate(owner, space_id, measured)
        log.info("space_calibrated", space=embedder.space.key, **measured.to_json())
        return measured


async def measure(embedder: Embedder) -> Calibration:
    """Embeds 144 short texts."""
    by_language = await asyncio.to_thread(topics)
    samples = {language: await _sample(embedder, ones) for language, ones in by_language.items()}
    return await asyncio.to_thread(calibrated, samples)


async def _sample(embedder: Embedder, ones: Sequence[Topic]) -> Sample:
    return Sample(
        questions=await _asked(embedder, [one.question for one in ones]),
        answers=await _read(embedder, [one.answer for one in ones]),
        near_misses=await _read(embedder, [one.near_miss for one in ones]),
        asked=await _read(embedder, [one.question for one in ones]),
        reworded=await _read(embedder, [one.other_wording for one in ones]),
    )


async def _asked(embedder: Embedder, questions: Sequence[str]) -> Vectors:
    """One after the other: those of customers have the way."""
    rows = [await embedder.embed_query(question) for question in questions]
    metrics.note_embedded("calibration", sum(row.tokens for row in rows))
    return np.vstack([row.vectors for row in rows])


async def _read(embedder: Embedder, passages: Sequence[str]) -> Vectors:
    embedded = await embedder.embed_passages(passages, patiently=True)
    metrics.note_embedded("calibration", embedded.tokens)
    return embedded.vectors
