"""Writes `e5_centres.json`, where the questions of each language lie for multilingual-e5-small.

`python -m retrieval_service.providers.local.build_e5_centres`; needs the model. The questions are those of the
calibration, the same ones in all languages, so that the centres differ by nothing but the language.
"""

from __future__ import annotations

import json

import numpy as np

from retrieval_service.domain.indexing.calibration import topics
from retrieval_service.providers.local import e5

_DECIMALS = 4


def build(network: e5.E5Small) -> dict[str, list[float]]:
    """The mean of unit vectors by language."""
    return {
        language: _mean(network, [text for one in ones for text in (one.question, one.other_wording)])
        for language, ones in topics().items()
    }


def _mean(network: e5.E5Small, questions: list[str]) -> list[float]:
    rows = np.vstack([network.infer([network.encode_query(question)]) for question in questions])
    return [round(float(value), _DECIMALS) for value in rows.mean(axis=0)]


def main() -> None:
    e5.CENTRES_FILE.write_text(json.dumps(build(e5.load())) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
