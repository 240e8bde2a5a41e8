"""`kladez eval answers`: how good the answers to labelled questions are, and whether they got better."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from kladez.v1 import insight_service_pb2 as insights_pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.evals import answer_sets, kept_figures
from retrieval_service.cli.evals.answer_runs import demo_tenant, judge
from retrieval_service.cli.evals.answer_sets import AnswerSet
from retrieval_service.cli.evals.datasets import Dataset
from retrieval_service.cli.evals.search_command import operator_or_temporary
from retrieval_service.cli.evals.search_runs import filled_tenant
from retrieval_service.cli.options import Options, options_of
from retrieval_service.client import Client
from retrieval_service.domain.insights.answer_metrics import Figures, Judged, by_language, figures

ALL = ""
COLUMNS = {
    "answerable": "answerable_accuracy",
    "shown": "shown_accuracy",
    "unanswerable": "unanswerable_accuracy",
    "precision": "citation_precision",
    "recall": "citation_recall",
    "language": "language_match",
    "contains": "expected_text",
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was measured; `before` is the last run of the same set, None before there was one."""

    judged: Sequence[Judged]
    answerer: str
    figures: Mapping[str, Figures]
    before: insights_pb.Evaluation | None


def answers(
    context: typer.Context,
    questions: Annotated[
        str,
        typer.Argument(
            metavar="SET",
            help="demo, demo-held-out, a JSON file of labelled questions, or the folder of a retrieval test set.",
        ),
    ] = "demo",
    foreign: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="A test set of other matters, whose questions must be refused too."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many questions, from all over the set.")
    ] = None,
    wrong: Annotated[
        bool, typer.Option("--wrong", help="List the questions that were not answered right.")
    ] = False,
) -> None:
    """Measure answers: right sources, honest refusals, the asker's language.

    The demo sets are asked of the demo shop, in a tenant that is deleted afterwards; with --tenant, and for a
    file, the tenant's own documents answer. A test set's folder is asked of every second of its articles: what
    belongs to the others must be refused. The figures are kept to be compared with the next run's: with the tenant,
    or in the data folder when it is deleted. No question is left in the tenant's chat log, gaps or counts.
    """
    options = options_of(context)
    asked = _asked(questions, foreign, limit)
    run = asyncio.run(_run(options, asked))
    if options.as_json:
        output.json_value(as_json(asked, run, wrong=wrong))
    else:
        _print(run, wrong=wrong)


def _asked(name: str, foreign: Path | None, limit: int | None) -> AnswerSet:
    own = answer_sets.load(name)
    strangers = answer_sets.foreign(foreign) if foreign else []
    questions = [*answer_sets.sample(own.questions, limit), *answer_sets.sample(strangers, limit)]
    suffix = f"+{foreign.resolve().name}" if foreign else ""
    return replace(own, name=own.name + suffix, questions=questions)


def as_json(asked: AnswerSet, run: Run, *, wrong: bool) -> dict[str, object]:
    result: dict[str, object] = {
        "set": asked.name,
        "answerer": run.answerer,
        "figures": {language or "all": asdict(one) for language, one in run.figures.items()},
    }
    return {**result, "wrong": [_wrong(one) for one in run.judged if not one.is_right]} if wrong else result


async def _run(options: Options, asked: AnswerSet) -> Run:
    if asked.corpus is None and (options.tenant_id or not asked.is_demo):
        return await _of_a_tenant(options, asked)
    return await _of_a_temporary_tenant(options, asked)


async def _of_a_tenant(options: Options, asked: AnswerSet) -> Run:
    """The tenant keeps the figures."""
    async with tenant_client(options) as client:
        run = await _measured(client, asked, before=await _last(client, asked.name))
        await client.record_evaluation(
            insights_pb.RecordEvaluationRequest(evaluation=_evaluation(asked, run))
        )
    return run


async def _of_a_temporary_tenant(options: Options, asked: AnswerSet) -> Run:
    """The data folder keeps the figures; a sample is compared with samples of the same size."""
    name = f"{asked.name}, {len(asked.questions)} questions"
    before = await asyncio.to_thread(kept_figures.last, options.data_dir, name)
    async with _temporary(options, asked.corpus) as client:
        run = await _measured(client, asked, before=before)
    evaluation = _evaluation(asked, run)
    evaluation.create_time.GetCurrentTime()
    try:
        await asyncio.to_thread(kept_figures.keep, options.data_dir, name, evaluation)
    except OSError as error:
        output.note(f"The figures could not be kept for the next run: {error}", style="yellow")
    return run


async def _measured(client: Client, asked: AnswerSet, *, before: insights_pb.Evaluation | None) -> Run:
    with output.progress() as display:
        task = display.add_task("Asking", total=len(asked.questions))
        judged, answerer = await judge(client, asked.questions, partial(display.advance, task))
    measured = {**by_language(judged), ALL: figures(judged)}
    return Run(judged=judged, answerer=answerer, figures=measured, before=before)


@asynccontextmanager
async def _temporary(options: Options, corpus: Dataset | None) -> AsyncIterator[Client]:
    """A tenant with a test set's passages, or the demo shop's."""
    async with (
        operator_or_temporary(options) as operator,
        filled_tenant(operator, corpus) if corpus else demo_tenant(operator) as client,
    ):
        yield client


async def _last(client: Client, set_name: str) -> insights_pb.Evaluation | None:
    request = insights_pb.ListEvaluationsRequest(set_name=set_name, page_size=1)
    return next(iter((await client.list_evaluations(request)).evaluations), None)


def _evaluation(asked: AnswerSet, run: Run) -> insights_pb.Evaluation:
    return insights_pb.Evaluation(
        set_name=asked.name,
        answerer=run.answerer,
        figures=[
            insights_pb.EvaluationFigures(language=code, **asdict(one)) for code, one in run.figures.items()
        ],
    )


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
    names = ", ".join(judged.answer.cited)
    refused = f"offered {names}" if names else "refused"
    cited = refused if judged.answer.is_refusal else names or "nothing"
    return {
        "id": judged.question.id,
        "question": judged.question.text,
        "expected": ", ".join(sorted(judged.question.expected)) or "a refusal",
        "cited": cited,
    }
