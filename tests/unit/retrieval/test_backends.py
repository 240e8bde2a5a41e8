"""Who serves a tenant, how far two rankings agree, and which pieces of a text tell it from others."""

from __future__ import annotations

from uuid import UUID

import pytest

from retrieval_service.domain.retrieval.backends import Backend, Choice, Standing, effective, overlap
from retrieval_service.domain.retrieval.relevance import Evidence, remote_verdict_of
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.services.retrieval.backend_choice import choice
from retrieval_service.text.overlaps import SAMPLES, samples

A, B, C, D = (UUID(int=number) for number in range(4))


@pytest.mark.parametrize(
    ("chosen", "flag", "serves"),
    [
        (Choice.DEFAULT, False, Backend.PGVECTOR),
        (Choice.DEFAULT, True, Backend.OPENAI),
        (Choice.PGVECTOR, True, Backend.PGVECTOR),
        (Choice.OPENAI, False, Backend.OPENAI),
    ],
)
def test_tenants_own_choice_comes_before_the_installations(
    chosen: Choice, flag: bool, serves: Backend
) -> None:
    assert effective(chosen, uses_openai=flag) is serves


def standing(**changes: object) -> Standing:
    fields: dict[str, object] = {
        "choice": Choice.OPENAI,
        "shadow_share": 0.0,
        "is_mirrored": True,
        "leaves_provider": False,
        "store_id": "vs_1",
        "is_filling": False,
    }
    return Standing(**{**fields, **changes})


def test_openai_is_asked_only_when_it_holds_the_documents() -> None:
    assert choice(standing(), uses_openai=False).is_remote
    assert not choice(standing(store_id=""), uses_openai=False).is_remote
    assert not choice(standing(is_filling=True), uses_openai=False).is_remote
    assert not choice(standing(choice=Choice.PGVECTOR), uses_openai=True).is_remote


def test_overlap_counts_documents_once_by_the_longer_ranking() -> None:
    assert overlap([A, A, B], [B, A]) == 1.0
    assert overlap([A, B], [A, C, D]) == pytest.approx(1 / 3)
    assert overlap([A], []) == 0.0
    assert overlap([], []) == 1.0


def test_overlap_looks_at_the_first_documents_only() -> None:
    first = [UUID(int=number) for number in range(10)]
    assert overlap([*first, A, B, UUID(int=99)], [*reversed(first), UUID(int=98)]) == 1.0
    assert overlap([*first, UUID(int=99)], [UUID(int=99), *first]) == pytest.approx(0.9)


def test_samples_are_spread_over_the_text_and_stand_in_it() -> None:
    text = "\n\n".join(f"Строка {number} о медных лампах." for number in range(40))
    taken = samples(text)
    assert len(taken) == SAMPLES
    assert all(sample in text for sample in taken)
    assert (taken[0], taken[-1]) == ("Строка 0 о медных лампах.", "Строка 39 о медных лампах.")


def test_short_text_is_its_own_sample() -> None:
    assert samples("  Lâmpada.\n") == ["Lâmpada."]
    assert samples(" \n ") == []


def test_middling_score_of_a_provider_is_no_evidence_without_words() -> None:
    assert remote_verdict_of(0.6, shared(0.0)) is not Verdict.ANSWERS
    assert remote_verdict_of(0.6, shared(0.25)) is Verdict.ANSWERS
    assert remote_verdict_of(0.1, shared(0.6)) is Verdict.ANSWERS
    assert remote_verdict_of(0.9, shared(0.0)) is Verdict.ANSWERS


def shared(share: float) -> Evidence:
    """Of a passage that has this share of the question, in one sentence and not in its title."""
    return Evidence(passage=share, sentence=share, title=0.0, mutual=0.0, unknown=0.0, closeness=None)
