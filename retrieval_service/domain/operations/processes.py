"""The processes of an installation, and the settings that have to be equal on all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

# A process is heard of every few seconds; after so many without a word it counts as gone.
ALIVE_SECONDS = 20.0
NO_VALUE = "nothing"


class Kind(StrEnum):
    """What a process is for: it serves calls, works until it is stopped, or does what is due and ends."""

    SERVER = "server"
    WORKER = "worker"
    ONCE = "once"

    @property
    def noun(self) -> str:
        return "run" if self is Kind.ONCE else self.value


class Weight(StrEnum):
    """What a difference means.

    Of a setting that DECIDES, a worker that differs would change what all tenants have, so it ends instead. A
    difference of one that MATTERS is said; SERVERS is the same for what only servers look at.
    """

    DECIDES = "decides"
    MATTERS = "matters"
    SERVERS = "servers"


EMBEDDER = "KLADEZ_EMBEDDER"
NEXT_EMBEDDER = "KLADEZ_NEXT_EMBEDDER"
PROVIDER = "OPENAI_BASE_URL"
DEFAULT_BACKEND = "USE_OPENAI_RETRIEVAL"
OWN_INDEX = "KLADEZ_OWN_INDEX_CHUNKS"
# What only one server at a time may change for all tenants depends on these.
DISPUTED = frozenset({EMBEDDER, DEFAULT_BACKEND, PROVIDER})

WEIGHTS: Mapping[str, Weight] = {
    EMBEDDER: Weight.DECIDES,
    DEFAULT_BACKEND: Weight.DECIDES,
    "OPENAI_VECTOR_STORE_ID": Weight.MATTERS,
    OWN_INDEX: Weight.DECIDES,
    NEXT_EMBEDDER: Weight.MATTERS,
    PROVIDER: Weight.MATTERS,
    "chunk sizes": Weight.MATTERS,
    "KLADEZ_SCHEDULE_RECONCILE": Weight.MATTERS,
    "KLADEZ_SCHEDULE_REBUILD": Weight.MATTERS,
    "KLADEZ_SCHEDULE_DRIFT": Weight.MATTERS,
    "KLADEZ_PRICES": Weight.MATTERS,
    "KLADEZ_OPENAI_SEARCH_USD": Weight.MATTERS,
    "KLADEZ_JOB_MAX_ATTEMPTS": Weight.MATTERS,
    "KLADEZ_SQL_SOURCE_PREFIX": Weight.MATTERS,
    "variables of sources": Weight.MATTERS,
    "KLADEZ_INDEX_JOB_COOLDOWN_SECONDS": Weight.MATTERS,
    "KLADEZ_DOCUMENT_BYTES": Weight.MATTERS,
    "KLADEZ_DOCUMENT_PASSAGES": Weight.MATTERS,
    "KLADEZ_PAGE_TOKEN_KEY": Weight.SERVERS,
    "KLADEZ_SAFETY_KEY": Weight.SERVERS,
    "KLADEZ_ANSWERER": Weight.SERVERS,
    "KLADEZ_ANSWER_MODEL": Weight.SERVERS,
    "KLADEZ_ANSWER_MAX_TOKENS": Weight.SERVERS,
    "KLADEZ_HISTORY_TOKENS": Weight.SERVERS,
    "KLADEZ_EXACT_LEXICAL_CHUNKS": Weight.SERVERS,
    "KLADEZ_ANSWER_CONTEXT_CHARACTERS": Weight.SERVERS,
    "KLADEZ_KEY_REQUESTS_PER_MINUTE": Weight.SERVERS,
    "KLADEZ_KEY_BYTES_PER_MINUTE": Weight.SERVERS,
    "KLADEZ_TENANT_REQUESTS_PER_MINUTE": Weight.SERVERS,
    "KLADEZ_TENANT_BYTES_PER_MINUTE": Weight.SERVERS,
    "KLADEZ_WRONG_KEYS_PER_MINUTE": Weight.SERVERS,
    "KLADEZ_QUESTIONS_PER_DAY": Weight.SERVERS,
    "KLADEZ_CHANNEL_QUESTIONS_PER_DAY": Weight.SERVERS,
    "KLADEZ_VISITOR_QUESTIONS_PER_DAY": Weight.SERVERS,
}


@dataclass(frozen=True, kw_only=True)
class Said:
    """Who a process is and what it runs with."""

    id: UUID
    kind: Kind
    name: str
    version: str
    settings: Mapping[str, str]

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Process(Said):
    """A process that said so `silent_seconds` ago, by the database's clock."""

    started_at: datetime
    alive_at: datetime
    silent_seconds: float

    @property
    def is_alive(self) -> bool:
        """A word from the future is none: the database's clock was set back."""
        return abs(self.silent_seconds) < ALIVE_SECONDS


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What the last server that was let in runs with; `settings` is empty before the first."""

    fingerprint_key: bytes
    settings: Mapping[str, str]
    recorded_by: str
    recorded_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One setting, as it is here and as it is elsewhere."""

    setting: str
    here: str
    there: str

    @property
    def decides(self) -> bool:
        return WEIGHTS[self.setting] is Weight.DECIDES

    def __str__(self) -> str:
        return f"{self.setting} is {self.here or NO_VALUE} here and {self.there or NO_VALUE} there"


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """One setting whose values differ, and the titles of the processes that have each."""

    setting: str
    titles_by_value: Mapping[str, Sequence[str]]

    def __str__(self) -> str:
        sides = (f"{value or NO_VALUE} at {', '.join(who)}" for value, who in self.titles_by_value.items())
        return f"{self.setting} is {' and '.join(sides)}"


def differences(here: Mapping[str, str], there: Mapping[str, str], *, are_servers: bool) -> list[Difference]:
    """What one side does not know, being of another version, is passed over."""
    return [
        Difference(setting=name, here=here[name], there=there[name])
        for name, weight in WEIGHTS.items()
        if (are_servers or weight is not Weight.SERVERS)
        and name in here
        and name in there
        and here[name] != there[name]
    ]


def disagreements(processes: Iterable[Process]) -> list[Disagreement]:
    """Of the living ones."""
    living = [one for one in processes if one.is_alive]
    found = (_values(name, weight, living) for name, weight in WEIGHTS.items())
    return [one for one in found if len(one.titles_by_value) > 1]


def _values(name: str, weight: Weight, living: Sequence[Process]) -> Disagreement:
    titles: dict[str, list[str]] = {}
    for one in living:
        if name in one.settings and (weight is not Weight.SERVERS or one.kind is Kind.SERVER):
            titles.setdefault(one.settings[name], []).append(one.title)
    return Disagreement(setting=name, titles_by_value=titles)


def disputes(here: Mapping[str, str], other: Process) -> bool:
    """Whether a living process runs with something else that only one of them may decide for all tenants.

    A worker without OpenAI is none: it leaves to others what concerns OpenAI.
    """
    if not other.is_alive:
        return False
    named = DISPUTED if other.kind is Kind.SERVER else DISPUTED - {PROVIDER}
    found = differences(here, other.settings, are_servers=False)
    return any(one.setting in named for one in found)


def with_model(space_key: str, known: Iterable[Process], recorded: Installation) -> Mapping[str, str] | None:
    """What a living process runs with that has the model of the space, or the last server where none lives."""
    said = [one.settings for one in known if one.is_alive] or [recorded.settings]
    having = (one for one in said if space_key in (one.get(EMBEDDER), one.get(NEXT_EMBEDDER)))
    return next(having, None)


def knows_space_of(here: Mapping[str, str], there: Mapping[str, str]) -> bool:
    """Whether the model that is configured here is one of the two that are configured there."""
    return here[EMBEDDER] in (there.get(EMBEDDER), there.get(NEXT_EMBEDDER))
