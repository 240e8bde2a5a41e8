"""Asks the sets through a temporary service, and tells how good the answers are."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import uvloop

from benchmarks import command, installation
from benchmarks.answers import asking, sets, showing, verdicts
from benchmarks.answers.judging import Asked
from benchmarks.answers.sets import LANGUAGES, TRADES, AnswerSet, Split, WrongSet
from benchmarks.answers.verdicts import WrongVerdicts
from benchmarks.processes import running_service
from retrieval_service.cli import output
from retrieval_service.cli.evals.answer_sets import sample
from retrieval_service.config import Settings

BOTH = "all"


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answers", description=__doc__)
    parser.add_argument("--split", choices=[*Split, BOTH], default=Split.DEV, help="default: dev")
    parser.add_argument(
        "--language", choices=LANGUAGES, action="append", help="may be repeated; default: each"
    )
    parser.add_argument("--trade", choices=TRADES, action="append", help="may be repeated; default: each")
    parser.add_argument(
        "--set", type=Path, action="append", metavar="FOLDER", help="a foreign set instead of ours"
    )
    parser.add_argument("--limit", type=int, help="at most so many questions of each set, from all over it")
    parser.add_argument("--environment", action="store_true", help=ENVIRONMENT_HELP)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write figures, and what may be read, there"
    )
    parser.add_argument("--wrong", action="store_true", help="list what is not right")
    parser.add_argument(
        "--read", type=Path, metavar="FILE", help="write the answers there, for a person to judge"
    )
    parser.add_argument(
        "--verdicts", type=Path, action="append", metavar="FILE", help="only count such a file"
    )
    parser.add_argument("--open-held", action="store_true", help=OPEN_HELP)
    return parser.parse_args(arguments)


ENVIRONMENT_HELP = (
    "embedder and answerer as the environment's settings say (OPENAI_BASE_URL, KLADEZ_EMBEDDER, …), "
    "instead of the local model and quoted sentences"
)
OPEN_HELP = "also list and write questions of the half that nobody reads who tunes: at the end, once"


def chosen_sets(options: argparse.Namespace) -> list[AnswerSet]:
    if options.set:
        chosen = [sets.in_folder(folder) for folder in options.set]
    else:
        split = None if options.split == BOTH else Split(options.split)
        own = sets.own(options.language or LANGUAGES, options.trade or TRADES)
        chosen = [sets.of_split(one, split) for one in own]
    return [replace(one, questions=sample(one.questions, options.limit)) for one in chosen]


async def measured(chosen: Sequence[AnswerSet], settings: Settings) -> list[Asked]:
    """Each question once, in the order of the sets."""
    asked: list[Asked] = []
    async with (
        installation.temporary_postgres() as dsn,
        running_service(dsn, synthetic=False, settings=settings) as operator,
    ):
        for one in chosen:
            with output.progress() as display:
                task = display.add_task(f"Asking {one.name}", total=len(one.questions))
                asked += await asking.ask_all(operator, one, lambda: display.advance(task))  # noqa: B023
    return asked


def report(options: argparse.Namespace, asked: Sequence[Asked]) -> None:
    may_be_read = showing.may_be_read(asked, open_held=options.open_held)
    print(showing.summary(asked))
    if options.wrong:
        print("\n" + showing.wrong(may_be_read))
    if options.read:
        options.read.write_text(verdicts.to_read(may_be_read), encoding="utf-8")
    if options.json:
        whole = json.dumps(showing.document(asked, may_be_read), ensure_ascii=False, indent=1)
        options.json.write_text(whole + "\n", encoding="utf-8")


def main() -> None:
    options = parsed()
    try:
        if options.verdicts:
            print(verdicts.summary(verdicts.read(options.verdicts)))
            return
        command.hush()
        settings = installation.chosen_settings(by_environment=options.environment)
        report(options, uvloop.run(measured(chosen_sets(options), settings)))
    except (WrongSet, WrongVerdicts) as error:
        sys.exit(str(error))
