"""Every setting is either a process's own or equal on all of them, and what is said of it betrays nothing."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from retrieval_service import config
from retrieval_service.composition import shared_settings
from retrieval_service.composition.services import secret_key
from retrieval_service.domain.indexing.chunking import ChunkPolicy
from retrieval_service.domain.indexing.spaces import Space
from retrieval_service.domain.operations.processes import (
    DISPUTED,
    EMBEDDER,
    PROVIDER,
    WEIGHTS,
    Kind,
    Process,
    Weight,
    differences,
    disagreements,
    disputes,
)

MODELS = shared_settings.Models(
    home=Space(provider="local", model="small", revision="1", dimensions=3, max_tokens=9),
    following=None,
    policy=ChunkPolicy(capacity=200, overlap=40, unit=len),
)
KEY = b"of this installation"


def said(key: bytes = KEY, **changes: object) -> dict[str, str]:
    fields = {name: field.get_default() for name, field in config.Settings.model_fields.items()}
    return shared_settings.shared_settings(
        config.Settings.model_construct(**{**fields, **changes}), MODELS, key
    )


def process(kind: Kind = Kind.SERVER, silent_seconds: float = 1.0, **settings: str) -> Process:
    return Process(
        id=uuid.uuid4(),
        kind=kind,
        name=f"host:{kind}",
        version="1",
        settings=settings,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        alive_at=datetime(2026, 1, 1, tzinfo=UTC),
        silent_seconds=silent_seconds,
    )


def test_every_setting_is_shared_or_a_processs_own() -> None:
    """A new setting has to be put into one of the lists of `sharing`."""
    assert shared_settings.classified_fields() == set(config.Settings.model_fields)


def test_everything_that_is_said_has_a_weight() -> None:
    assert said().keys() == WEIGHTS.keys()


def test_everything_that_is_disputed_is_said() -> None:
    assert WEIGHTS.keys() >= DISPUTED


def test_nothing_that_is_said_holds_a_secret() -> None:
    secrets = {
        "page_token_key": SecretStr("hidden-page"),
        "safety_key": SecretStr("hidden-safety"),
        "openai_api_key": SecretStr("hidden-key"),
        "openai_base_url": "https://me:hidden@models.example:8443/v1?token=hidden",
    }
    found = said(**secrets)
    assert "hidden" not in str(found)
    assert found[PROVIDER] == "https://models.example:8443/v1"


@pytest.mark.parametrize("setting", ["page_token_key", "safety_key"])
def test_fingerprint_tells_secrets_apart_and_says_nothing_elsewhere(setting: str) -> None:
    name = f"KLADEZ_{setting.upper()}"
    one, same, other = (said(**{setting: SecretStr(text)})[name] for text in ("one", "one", "other"))
    assert one == same != other
    assert said(key=b"of another installation", **{setting: SecretStr("one")})[name] != one


def test_secrets_of_two_installations_are_told_apart_too() -> None:
    assert said()["KLADEZ_PAGE_TOKEN_KEY"] != said(key=b"of another installation")["KLADEZ_PAGE_TOKEN_KEY"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("use_openai_retrieval", True),
        ("own_index_chunks", 5),
        ("schedule_reconcile", ""),
        ("schedule_rebuild", "0 1 * * *"),
        ("schedule_drift", ""),
        ("prices", '{"m": {"input": 1}}'),
        ("openai_search_usd", 1.0),
        ("job_max_attempts", 9),
        ("sql_source_prefix", "OTHER_SOURCE_"),
        ("index_job_cooldown_seconds", 1.0),
        ("openai_base_url", "http://models.example/v1"),
    ],
)
def test_setting_that_differs_is_named_to_a_worker(field: str, value: object) -> None:
    [found] = differences(said(**{field: value}), said(), are_servers=False)
    assert found.setting == (PROVIDER if field == "openai_base_url" else shared_settings.AS_THEY_ARE[field])


def test_what_only_servers_look_at_is_nothing_to_a_worker() -> None:
    other = said(page_token_key=SecretStr("other"), answer_model="other")
    assert differences(other, said(), are_servers=False) == []
    named = {one.setting for one in differences(other, said(), are_servers=True)}
    assert named == {"KLADEZ_PAGE_TOKEN_KEY", "KLADEZ_ANSWER_MODEL"}


def test_setting_that_another_version_does_not_know_is_passed_over() -> None:
    older = {name: value for name, value in said().items() if name != EMBEDDER}
    assert differences(said(), older, are_servers=True) == []


def test_only_living_processes_disagree() -> None:
    one, other = process(**{EMBEDDER: "a"}), process(**{EMBEDDER: "b"})
    gone = process(silent_seconds=60, **{EMBEDDER: "c"})
    [found] = disagreements([one, other, gone])
    assert found.titles_by_value == {"a": ["server host:server"], "b": ["server host:server"]}


def test_word_from_the_future_is_no_sign_of_life() -> None:
    """The database's clock was set back, and the process was killed before."""
    assert process(silent_seconds=-1).is_alive
    assert not process(silent_seconds=-3_600).is_alive


def test_secret_of_a_worker_is_no_disagreement() -> None:
    differing = [process(KLADEZ_PAGE_TOKEN_KEY="a"), process(Kind.WORKER, KLADEZ_PAGE_TOKEN_KEY="b")]
    assert disagreements(differing) == []


@pytest.mark.parametrize(
    ("kind", "setting", "expected"),
    [
        (Kind.SERVER, EMBEDDER, True),
        (Kind.WORKER, EMBEDDER, True),
        (Kind.ONCE, "USE_OPENAI_RETRIEVAL", True),
        (Kind.SERVER, PROVIDER, True),
        (Kind.WORKER, PROVIDER, False),
        (Kind.SERVER, "KLADEZ_PRICES", False),
    ],
)
def test_what_keeps_a_server_from_deciding(kind: Kind, setting: str, expected: bool) -> None:
    here = {**said(), setting: "here"}
    assert disputes(here, process(kind, **{setting: "there"})) is expected
    assert not disputes(here, process(kind, silent_seconds=60, **{setting: "there"}))


def test_weights_say_what_a_worker_ends_for() -> None:
    deciding = {name for name, weight in WEIGHTS.items() if weight is Weight.DECIDES}
    assert deciding == {EMBEDDER, "USE_OPENAI_RETRIEVAL", "KLADEZ_OWN_INDEX_CHUNKS"}


@pytest.mark.parametrize("purpose", ["page tokens", "safety identifiers"])
def test_secret_keys_come_from_the_installation_alone_unless_they_are_set(purpose: str) -> None:
    made = secret_key(None, purpose, KEY)
    assert made == secret_key(None, purpose, KEY)
    assert made not in (secret_key(None, "another", KEY), secret_key(None, purpose, b"another"), KEY)
    assert len(made) == 32
    assert secret_key(SecretStr("given"), purpose, KEY) == b"given"
