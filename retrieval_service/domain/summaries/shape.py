"""Brings a summary into its form: a sentence or two, then at most twelve points that all name a source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from retrieval_service.domain.fragments import FinishReason, Fragment, Prompt
from retrieval_service.domain.quotation.repetition import says_again
from retrieval_service.domain.summaries.blocks import cut_at_sentence
from retrieval_service.domain.summaries.html import read_summary
from retrieval_service.domain.summaries.summaries import (
    LEAST_POINTS,
    MAX_LEAD,
    MAX_LEAD_SENTENCES,
    MAX_POINT,
    MOST_POINTS,
    Draft,
    Statement,
    Summary,
    plain,
)
from retrieval_service.text.facts.facts import facts_of, is_known, known_from
from retrieval_service.text.sentences import split_sentences


def read_draft(draft: Draft, asked: Prompt) -> Summary | None:
    """None when it does not hold the form; what was cut off or states facts no source has is left out."""
    if draft.ending.finish_reason is FinishReason.POLICY:
        return None
    summary = read_summary(draft.html, asked)
    if draft.ending.finish_reason is FinishReason.LENGTH:
        summary = Summary(lead=summary.lead, points=summary.points[:-1])
    return in_form(_founded(summary, asked.fragments), asked.language)


def in_form(summary: Summary, language: str) -> Summary | None:
    """None when there is no lead or no point with a source: that is no summary any more."""
    points = _distinct((_shortened(point, MAX_POINT) for point in summary.points if point.numbers), language)
    lead = _short_lead(summary.lead)
    if not lead.text.strip() or not points:
        return None
    return Summary(lead=lead, points=tuple(points[:MOST_POINTS]))


def is_short(summary: Summary) -> bool:
    """Whether the sources may hold more than it says."""
    return len(summary.points) < LEAST_POINTS


def filled(summary: Summary, spare: Sequence[Statement], language: str) -> Summary:
    """With as many of the spare points as it lacks, none of which says again what is there."""
    own = len(summary.points)
    points = _distinct((*summary.points, *spare), language)
    return Summary(lead=summary.lead, points=tuple(points[: max(own, LEAST_POINTS)]))


def _founded(summary: Summary, fragments: Sequence[Fragment]) -> Summary:
    """Prices, dates and other facts of a point stand in what it cites, those of the lead in any source."""
    known = {one.number: known_from([one.title, one.text, one.url]) for one in fragments}
    points = (point for point in summary.points if _is_known(point, [known[one] for one in point.numbers]))
    lead = summary.lead if _is_known(summary.lead, known.values()) else plain("", summary.lead.numbers)
    return Summary(lead=lead, points=tuple(points))


def _is_known(statement: Statement, sources: Iterable[frozenset[str]]) -> bool:
    known = frozenset[str]().union(*sources)
    return all(is_known(fact, known) for fact in facts_of(statement.text))


def _short_lead(lead: Statement) -> Statement:
    sentences = split_sentences(lead.text)
    if len(sentences) <= MAX_LEAD_SENTENCES:
        return _shortened(lead, MAX_LEAD)
    text = lead.text[: sentences[MAX_LEAD_SENTENCES - 1].end]
    return _shortened(plain(text.strip(), lead.numbers), MAX_LEAD)


def _shortened(statement: Statement, limit: int) -> Statement:
    """What is too long loses its markup with its end."""
    if len(statement.text) <= limit:
        return statement
    return plain(cut_at_sentence(statement.text, limit), statement.numbers)


def _distinct(statements: Iterable[Statement], language: str) -> list[Statement]:
    kept: list[Statement] = []
    for statement in statements:
        is_said = any(says_again(statement.text, other.text, language) for other in kept)
        if statement.text.strip() and not is_said:
            kept.append(statement)
    return kept
