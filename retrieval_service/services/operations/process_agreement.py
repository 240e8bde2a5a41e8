"""Says what this process runs with, hears what the others do, and keeps one that differs from deciding for all."""

from __future__ import annotations

import asyncio
import importlib.metadata
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import structlog

from retrieval_service import errors
from retrieval_service.domain.operations.processes import (
    ALIVE_SECONDS,
    EMBEDDER,
    Difference,
    Installation,
    Kind,
    Process,
    Said,
    differences,
    disputes,
    knows_space_of,
)
from retrieval_service.stores import processes
from retrieval_service.stores.database import Database

log = structlog.get_logger("kladez.agreeing")

BEAT_SECONDS = 5.0
# How often a killed server is looked at, that may turn out to live.
LOOK_SECONDS = 0.5
ADVICE = "give it the same value"
ADVICE_FOR_MODELS = f"{ADVICE}, or move tenants to another model with `kladez space start`"


def program_version() -> str:
    """Of the installed package; a bare source folder has none."""
    try:
        return importlib.metadata.version("kladez")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


# Read once: it takes looks at the disk.
VERSION = program_version()

Decision = Callable[[], Awaitable[None]]


class Presence:
    """Of one process, from `announce` to `leave`; `run` keeps it known as alive.

    The servers say what the installation runs with. A worker that runs with something else is not let in, and
    ends when the servers change: it would move every tenant to its own model, or undo what they have at OpenAI.
    """

    def __init__(self, database: Database, kind: Kind, name: str) -> None:
        self._database = database
        self._kind = kind
        self._myself = Said(id=uuid4(), kind=kind, name=name, version=VERSION, settings={})
        self._waiting: Decision | None = None

    async def installation_key(self) -> bytes:
        """Random, and the same for every process on this database."""
        async with self._database.operator() as operator:
            return (await processes.installation(operator)).fingerprint_key

    async def announce(self, settings: Mapping[str, str]) -> None:
        """Raises `SettingsDiffer` when this process must not run beside the others; then nobody hears of it."""
        self._myself = replace(self._myself, settings=settings)
        if self._kind is Kind.SERVER:
            await self._announce_server()
        else:
            await self._announce_worker()

    async def leave(self) -> None:
        """Who cannot say so any more is taken for dead after a while."""
        await self._try(self._forget_myself)

    async def _forget_myself(self) -> None:
        async with self._database.operator() as operator:
            await processes.forget(operator, self._myself.id)

    async def decide(self, decision: Decision) -> None:
        """What concerns all tenants is done by a server, once no living process runs with something else."""
        if self._kind is Kind.SERVER:
            self._waiting = decision
            await self._try_to_decide()

    async def run(self) -> None:
        """Until it is cancelled; a worker's raises `SettingsDiffer` when the installation has changed."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self._try(self._beat)

    async def _try(self, act: Callable[[], Awaitable[None]]) -> None:
        """Neither a lost database nor a schema that is taken back meanwhile ends a process; a difference does."""
        try:
            await act()
        except errors.SettingsDiffer:
            raise
        except errors.Unavailable as error:
            log.warning("presence_unsaid", error=str(error))
        except Exception:
            log.exception("presence_unsaid")

    async def _beat(self) -> None:
        async with self._database.operator() as operator:
            await processes.say_alive(operator, self._myself)
            await processes.sweep(operator)
            recorded = await processes.installation(operator)
        if self._kind is not Kind.SERVER:
            self._require_agreement(recorded)
        await self._try_to_decide()

    # --- workers ----------------------------------------------------------------------------------

    async def _announce_worker(self) -> None:
        async with self._database.operator() as operator:
            await processes.lock(operator)
            recorded = await processes.installation(operator)
            if recorded.settings:
                self._require_agreement(recorded)
            else:
                self._require_spaces(await processes.spaces_in_use(operator))
            await processes.say_alive(operator, self._myself)
        self._warn(
            differences(self._myself.settings, recorded.settings, are_servers=False), recorded.recorded_by
        )

    def _require_agreement(self, recorded: Installation) -> None:
        found = differences(self._myself.settings, recorded.settings, are_servers=False)
        deciding = [one for one in found if one.decides]
        if deciding:
            raise errors.SettingsDiffer(self._refusal(deciding[0], recorded.recorded_by))

    def _require_spaces(self, in_use: Sequence[str]) -> None:
        """Before any server said a word: what tenants are searched in tells what the installation runs with."""
        here = self._myself.settings[EMBEDDER]
        if in_use and here not in in_use:
            difference = Difference(setting=EMBEDDER, here=here, there=", ".join(in_use))
            raise errors.SettingsDiffer(self._refusal(difference, "the tenants"))

    # --- servers ----------------------------------------------------------------------------------

    async def _announce_server(self) -> None:
        """A server that was killed counts as alive for a while: a dispute with it is waited out."""
        first_heard: dict[UUID, Process] = {}
        end = time.monotonic() + 2 * ALIVE_SECONDS
        while (rival := await self._let_in()) is not None:
            before = first_heard.setdefault(rival.id, rival)
            if rival.alive_at > before.alive_at or time.monotonic() > end:
                raise errors.SettingsDiffer(self._refusal(self._difference_with(rival), rival.title))
            await asyncio.sleep(LOOK_SECONDS)

    async def _let_in(self) -> Process | None:
        """None when this server may run; else a server that counts as alive and has another model."""
        async with self._database.operator() as operator:
            await processes.lock(operator)
            others = self._others(await processes.all_known(operator))
            in_use = await processes.spaces_in_use(operator)
            rival = next((one for one in others if self._is_rival(one, in_use)), None)
            if rival is not None:
                return rival
            recorded = await processes.installation(operator)
            await processes.say_alive(operator, self._myself)
            await processes.record(operator, self._myself)
        self._say_change(recorded)
        for one in others:
            self._warn(differences(self._myself.settings, one.settings, are_servers=True), one.title)
        return None

    def _is_rival(self, other: Process, in_use: Sequence[str]) -> bool:
        """Whether both could not serve the same tenants: the end of a move by hand is no dispute."""
        if other.kind is not Kind.SERVER or not other.is_alive:
            return False
        if self._myself.settings[EMBEDDER] == other.settings.get(EMBEDDER):
            return False
        ours = (self._myself.settings[EMBEDDER], self._myself.settings["KLADEZ_NEXT_EMBEDDER"])
        return not knows_space_of(self._myself.settings, other.settings) or any(
            one not in ours for one in in_use
        )

    def _difference_with(self, rival: Process) -> Difference:
        return Difference(
            setting=EMBEDDER, here=self._myself.settings[EMBEDDER], there=rival.settings[EMBEDDER]
        )

    def _others(self, known: Sequence[Process]) -> list[Process]:
        return [one for one in known if one.is_alive and one.id != self._myself.id]

    async def _try_to_decide(self) -> None:
        if self._waiting is None:
            return
        async with self._database.operator() as operator:
            others = self._others(await processes.all_known(operator))
        rivals = [one.title for one in others if disputes(self._myself.settings, one)]
        if rivals:
            log.warning("decision_waits", rivals=rivals)
            return
        await self._waiting()
        self._waiting = None

    # --- what is said -----------------------------------------------------------------------------

    def _refusal(self, difference: Difference, there: str) -> str:
        advice = ADVICE_FOR_MODELS if difference.setting == EMBEDDER else ADVICE
        return f"{difference}, at {there}: this {self._kind.noun} changes nothing and ends; {advice}."

    def _warn(self, found: Sequence[Difference], there: str) -> None:
        for one in found:
            log.warning("setting_differs", setting=one.setting, here=one.here, there=one.there, process=there)

    def _say_change(self, recorded: Installation) -> None:
        was = recorded.settings.get(EMBEDDER, self._myself.settings[EMBEDDER])
        if was != self._myself.settings[EMBEDDER]:
            log.warning("embedding_model_changed", was=was, now=self._myself.settings[EMBEDDER])


class Presences:
    """The processes of the installation, for who looks at them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self) -> list[Process]:
        """The living ones, and those that were killed within the last day."""
        async with self._database.operator() as operator:
            return await processes.all_known(operator)
