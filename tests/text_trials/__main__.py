"""`python -m tests.text_trials [--whole] [NAME ...]`: what was tried and how it grew; NAME is part of a function's."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterable, Sequence

import structlog

from tests.text_trials.families import Family, families
from tests.text_trials.finding import Trial
from tests.text_trials.recipes import finder
from tests.text_trials.trying import SIZES, WHOLE_SIZES, Tried, tried

_SHOWN = 10


def main(arguments: Sequence[str]) -> int:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    logging.disable()
    chosen = _parsed(arguments)
    found = finder().find()
    trials = [
        one for one in found.trials if not chosen.names or any(name in one.name for name in chosen.names)
    ]
    kinds = list(families(whole=chosen.whole))
    seen = _seen(trials, kinds, WHOLE_SIZES if chosen.whole else SIZES)
    bad = [one for one in seen if one.growth.is_too_fast]
    _say(f"{len(trials)} functions, {len(kinds)} families, {len(found.shells)} methods of shells left out")
    _say("worst exponents that are allowed:")
    for one in sorted(seen, key=lambda one: -one.growth.exponent)[len(bad) : len(bad) + _SHOWN]:
        _say(f"  {one}")
    _say(f"grow too fast: {len(bad)}")
    return 1 if bad else 0


def _seen(trials: Iterable[Trial], kinds: Sequence[Family], sizes: Sequence[int]) -> list[Tried]:
    seen: list[Tried] = []
    for trial in trials:
        here = tried(trial, kinds, sizes)
        for bad in (one for one in here if one.growth.is_too_fast):
            _say(f"TOO FAST {bad}")
        seen += here
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
