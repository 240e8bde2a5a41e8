"""`python -m tests.text_trials [--whole] [NAME ...]`: what was tried and how it grew; NAME is part of a function's."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

import structlog

from tests.text_trials.finding import Trial
from tests.text_trials.recipes import finder
from tests.text_trials.trying import Tried, tried_shortly, tried_whole

_SHOWN = 10


def main(arguments: Sequence[str]) -> int:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    logging.disable()
    chosen = _parsed(arguments)
    found = finder().find()
    trials = [
        one for one in found.trials if not chosen.names or any(name in one.name for name in chosen.names)
    ]
    seen = [one for turn, trial in enumerate(trials) for one in _seen(trial, turn, whole=chosen.whole)]
    bad = sum(one.growth.is_too_fast for one in seen)
    kinds = {one.family for one in seen}
    _say(f"{len(trials)} functions, {len(kinds)} families of texts, {len(seen)} of each with each")
    _say("the worst that are allowed:")
    for one in sorted(seen, key=lambda one: -one.growth.exponent)[bad : bad + _SHOWN]:
        _say(f"  {one}")
    _say(f"{bad} grow too fast")
    return 1 if bad else 0


def _seen(trial: Trial, turn: int, *, whole: bool) -> list[Tried]:
    seen = tried_whole(trial) if whole else tried_shortly(trial, turn)
    for bad in (one for one in seen if one.growth.is_too_fast):
        _say(f"TOO FAST {bad}")
    return seen


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.text_trials", description=__doc__)
    parser.add_argument("--whole", action="store_true", help="more families, and texts up to 64 kB")
    parser.add_argument("names", nargs="*", metavar="NAME")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
