"""SpaceService on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kladez.v1 import space_service_pb2 as pb
from kladez.v1 import space_service_pb2_grpc as pb_grpc

from retrieval_service.api import calls, fields
from retrieval_service.api.messages import common_messages
from retrieval_service.domain.indexing.spaces import Scale, TenantSpace
from retrieval_service.services.spaces.switches import DEFAULT_KEEP_DAYS, Standing, Switcher
from retrieval_service.services.spaces.verification import Verifier

MAX_KEY = 500
DEFAULT_QUESTIONS = 50
MAX_QUESTIONS = 200
MAX_KEEP_DAYS = 365

STATES: Mapping[str, pb.SpaceState.ValueType] = {
    "filling": pb.SPACE_STATE_FILLING,
    "ready": pb.SPACE_STATE_READY,
    "active": pb.SPACE_STATE_ACTIVE,
    "kept": pb.SPACE_STATE_KEPT,
    "dropping": pb.SPACE_STATE_DROPPING,
}


class SpaceServicer(pb_grpc.SpaceServiceServicer):
    """One service call per method."""

    def __init__(self, switcher: Switcher, verifier: Verifier) -> None:
        self._switcher = switcher
        self._verifier = verifier

    async def ListSpaces(self, request: pb.ListSpacesRequest, context: Any) -> pb.ListSpacesResponse:
        standings = await self._switcher.standings(calls.tenant_id())
        return pb.ListSpacesResponse(spaces=[message(one) for one in standings])

    async def EstimateSwitch(
        self, request: pb.EstimateSwitchRequest, context: Any
    ) -> pb.EstimateSwitchResponse:
        standing, estimate = await self._switcher.estimate(calls.tenant_id(), key_of(request))
        return pb.EstimateSwitchResponse(
            space=message(standing),
            chunk_count=estimate.chunk_count,
            token_count=estimate.token_count,
            dollars=estimate.dollars,
        )

    async def StartSwitch(self, request: pb.StartSwitchRequest, context: Any) -> pb.StartSwitchResponse:
        standing = await self._switcher.start(calls.tenant_id(), key_of(request))
        return pb.StartSwitchResponse(space=message(standing))

    async def VerifySwitch(self, request: pb.VerifySwitchRequest, context: Any) -> pb.VerifySwitchResponse:
        count = within("question_count", request.question_count, DEFAULT_QUESTIONS, MAX_QUESTIONS)
        standing = await self._verifier.verify(calls.tenant_id(), key_of(request), questions=count)
        return pb.VerifySwitchResponse(space=message(standing))

    async def FlipSpace(self, request: pb.FlipSpaceRequest, context: Any) -> pb.FlipSpaceResponse:
        keep_days = within("keep_days", request.keep_days, DEFAULT_KEEP_DAYS, MAX_KEEP_DAYS)
        standing = await self._switcher.flip(
            calls.tenant_id(), key_of(request), keep_days=keep_days, force=request.force
        )
        return pb.FlipSpaceResponse(space=message(standing))

    async def DropSpace(self, request: pb.DropSpaceRequest, context: Any) -> pb.DropSpaceResponse:
        await self._switcher.drop(calls.tenant_id(), fields.text("key", request.key, limit=MAX_KEY))
        return pb.DropSpaceResponse()


def key_of(
    request: pb.EstimateSwitchRequest | pb.StartSwitchRequest | pb.VerifySwitchRequest | pb.FlipSpaceRequest,
) -> str:
    return fields.optional_text("key", request.key, limit=MAX_KEY)


def within(field: str, value: int, default: int, largest: int) -> int:
    if not 0 <= value <= largest:
        raise fields.refuse(field, f"must be 1-{largest}")
    return value or default


def message(standing: Standing) -> pb.Space:
    space = pb.Space(key=standing.space.key, is_open=standing.is_open, is_home=standing.is_home)
    space.scale_error = standing.space.calibration_error
    if standing.scale is not None:
        space.scale.CopyFrom(scale_message(standing.scale, standing.languages))
    elif standing.reads_nothing:
        space.scale.SetInParent()
    if standing.held is not None:
        space.MergeFrom(progress(standing.held))
    return space


def scale_message(scale: Scale, languages: frozenset[str]) -> pb.SpaceScale:
    return pb.SpaceScale(
        floor=scale.floor, spread=scale.spread, share=scale.share, languages=sorted(languages)
    )


def progress(held: TenantSpace) -> pb.Space:
    return pb.Space(
        state=STATES[held.state],
        is_stale=held.is_stale,
        is_automatic=held.is_automatic,
        total_count=held.total_count,
        filled_count=held.filled_count,
        failed_count=held.failed_count,
        embedded_token_count=held.embedded_tokens,
        error=held.error,
        recall=held.recall,
        agreement=held.agreement,
        sample_count=held.sample_count,
        verify_time=common_messages.timestamp(held.verified_at),
        keep_until_time=common_messages.timestamp(held.keep_until),
    )
