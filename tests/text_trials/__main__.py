"""`python -m tests.text_trials [--whole] [NAME ...]`: what was tried and how it grew; NAME is part of a function's."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import structlog

from tests.text_trials.finding import Trial
from tests.text_trials.recipes import finder
from tests.text_trials.trying import Tried, tried_shortly, tried_whole

_SHOWN = 10


def main(arguments: Sequence[str]) -> int:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    logging.disable()
    signal.signal(signal.SIGTERM, _end_early)
    chosen = _parsed(arguments)
    trials = [one for one in finder().find().trials if _is_chosen(one, chosen.names)]
    seen: list[Tried] = []
    try:
        for turn, trial in enumerate(trials):
            seen += _seen(trial, turn, chosen)
    finally:  # what was tried is told of a run that is ended early, too
        bad = _summary(seen, len(trials))
    return 1 if bad else 0


def _summary(seen: Sequence[Tried], count: int) -> int:
    """Returns how many grow too fast."""
    bad = sum(one.growth.is_too_fast for one in seen)
    functions, kinds = {one.function for one in seen}, {one.family for one in seen}
    tried = f"{len(functions)} of {count} functions, {len(kinds)} families of texts"
    _say(f"{tried}, {len(seen)} of each with each")
    _say("the worst that are allowed:")
    for one in sorted(seen, key=lambda one: -one.growth.exponent)[bad : bad + _SHOWN]:
        _say(f"  {one}")
    _say(f"{bad} grow too fast")
    return bad


def _is_chosen(trial: Trial, names: Sequence[str]) -> bool:
    return not names or any(name in trial.name for name in names)


def _end_early(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit("ended early")


def _seen(trial: Trial, turn: int, chosen: argparse.Namespace) -> list[Tried]:
    seen = tried_whole(trial, turn, chosen.every) if chosen.whole else tried_shortly(trial, turn)
    for bad in (one for one in seen if one.growth.is_too_fast):
        _say(f"TOO FAST {bad}")
    return seen


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.text_trials", description=__doc__)
    parser.add_argument("--whole", action="store_true", help="more families, and texts up to 64 kB")
    parser.add_argument(
        "--every", type=int, default=1, help="with --whole: of N families one, in turn", metavar="N"
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
