"""`kladez eval answers`: how good the answers to labelled questions are, and whether they got better."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated

import typer
from kladez.v1 import insight_service_pb2 as insights_pb

from retrieval_service.cli import answer_sets, output
from retrieval_service.cli.answer_evaluation import demo_tenant, judge
from retrieval_service.cli.answer_sets import AnswerSet
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.evaluating import operator_or_temporary
from retrieval_service.cli.options import Options, options_of
from retrieval_service.client import Client
from retrieval_service.domain.answer_metrics import Figures, Judged, by_language, figures

ALL = ""
COLUMNS = {
    "answerable": "answerable_accuracy",
    "unanswerable": "unanswerable_accuracy",
    "precision": "citation_precision",
    "recall": "citation_recall",
    "language": "language_match",
    "contains": "expected_text",
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was measured; `before` is the tenant's last run of the same set, None where nothing is kept."""

    judged: Sequence[Judged]
    answerer: str
    figures: Mapping[str, Figures]
    before: insights_pb.Evaluation | None


def answers(
    context: typer.Context,
    questions: Annotated[
        str, typer.Argument(metavar="SET", help="demo, demo-held-out, or a JSON file of labelled questions.")
    ] = "demo",
    wrong: Annotated[
        bool, typer.Option("--wrong", help="List the questions that were not answered right.")
    ] = False,
) -> None:
    """Measure answers: right sources, honest refusals, the asker's language.

    The demo sets are asked of the demo shop, in a tenant that is deleted afterwards; with --tenant, and for a
    file, the tenant's own documents answer, and the figures are kept to be compared with the next run's.
    """
    options = options_of(context)
    asked = answer_sets.load(questions)
    run = asyncio.run(_run(options, asked))
    if options.as_json:
        output.json_value(as_json(asked, run, wrong=wrong))
    else:
        _print(run, wrong=wrong)


def as_json(asked: AnswerSet, run: Run, *, wrong: bool) -> dict[str, object]:
    result: dict[str, object] = {
        "set": asked.name,
        "answerer": run.answerer,
        "figures": {language or "all": asdict(one) for language, one in run.figures.items()},
    }
    return {**result, "wrong": [_wrong(one) for one in run.judged if not one.is_right]} if wrong else result


async def _run(options: Options, asked: AnswerSet) -> Run:
    is_kept = bool(options.tenant_id) or not asked.is_demo
    async with tenant_client(options) if is_kept else _demo_shop(options) as client:
        with output.progress() as display:
            task = display.add_task("Asking", total=len(asked.questions))
            judged, answerer = await judge(client, asked.questions, partial(display.advance, task))
        measured = {**by_language(judged), ALL: figures(judged)}
        before = await _last(client, asked.name) if is_kept else None
        if is_kept:
            await _record(client, asked.name, answerer, measured)
    return Run(judged=judged, answerer=answerer, figures=measured, before=before)


@asynccontextmanager
async def _demo_shop(options: Options) -> AsyncIterator[Client]:
    async with operator_or_temporary(options) as operator, demo_tenant(operator) as client:
        yield client


async def _last(client: Client, set_name: str) -> insights_pb.Evaluation | None:
    request = insights_pb.ListEvaluationsRequest(set_name=set_name, page_size=1)
    return next(iter((await client.list_evaluations(request)).evaluations), None)


async def _record(client: Client, set_name: str, answerer: str, measured: Mapping[str, Figures]) -> None:
    evaluation = insights_pb.Evaluation(
        set_name=set_name,
        answerer=answerer,
        figures=[
            insights_pb.EvaluationFigures(language=code, **asdict(one)) for code, one in measured.items()
        ],
    )
    await client.record_evaluation(insights_pb.RecordEvaluationRequest(evaluation=evaluation))


def _print(run: Run, *, wrong: bool) -> None:
    headings = ("language", "questions", *COLUMNS)
    output.table(headings, [_row(language, one, run.before) for language, one in run.figures.items()])
    output.note(f"Answers by {run.answerer or 'nobody'}.", style="dim")
    if run.before is not None:
        when = run.before.create_time.ToDatetime().isoformat(" ", "minutes")
        output.note(f"In brackets: against the run of {when} UTC by {run.before.answerer}.", style="dim")
    if wrong:
        rows = [_wrong(one) for one in run.judged if not one.is_right]
        output.table(("id", "question", "expected", "cited"), [list(row.values()) for row in rows])


def _row(language: str, one: Figures, before: insights_pb.Evaluation | None) -> list[object]:
    earlier = next((it for it in before.figures if it.language == language), None) if before else None
    cells = [_cell(getattr(one, name), earlier, name) for name in COLUMNS.values()]
    return [language or "all", one.question_count, *cells]


def _cell(share: float | None, earlier: insights_pb.EvaluationFigures | None, name: str) -> str:
    if share is None:
        return "–"
    set_before = {field.name: value for field, value in earlier.ListFields()} if earlier else {}
    return f"{share:.3f} ({share - set_before[name]:+.3f})" if name in set_before else f"{share:.3f}"


def _wrong(judged: Judged) -> dict[str, str]:
    cited = "refused" if judged.answer.is_refusal else ", ".join(judged.answer.cited) or "nothing"
    return {
        "id": judged.question.id,
        "question": judged.question.text,
        "expected": ", ".join(sorted(judged.question.expected)) or "a refusal",
        "cited": cited,
    }
