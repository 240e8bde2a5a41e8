"""What is read off the cosines of a model that nobody has measured before."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval_service.domain.indexing import calibration
from retrieval_service.domain.indexing.calibration import Calibration, Sample, calibrated, from_json, topics
from retrieval_service.domain.indexing.spaces import Scale, Space
from retrieval_service.domain.retrieval import fusion

COUNT = 12
UNMEASURED = Space(provider="elsewhere", model="some", revision="1", dimensions=3, max_tokens=512)


def rows(*, seed: int, common: float, own: float) -> NDArray[np.float32]:
    """Unit rows; what they have in `common` is the same in all seeds, what is each row's `own` too."""
    shared = np.random.default_rng(0).standard_normal((1, 256)) * common
    each = np.random.default_rng(1).standard_normal((COUNT, 256)) * own
    noise = np.random.default_rng(seed).standard_normal((COUNT, 256))
    made = shared + each + noise
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def sample(*, common: float, own: float) -> Sample:
    return Sample(
        questions=rows(seed=2, common=common, own=own),
        answers=rows(seed=3, common=common, own=own),
        near_misses=rows(seed=4, common=common, own=own / 2),
        asked=rows(seed=5, common=common, own=own),
        reworded=rows(seed=6, common=common, own=own),
    )


READ, UNREAD = sample(common=3, own=1.5), sample(common=3, own=0)


def medians(one: Sample) -> tuple[float, float]:
    """Of passages about other things, and of answers."""
    cosines = one.questions @ np.vstack([one.answers, one.near_misses]).T
    own = np.hstack([np.eye(COUNT, dtype=bool)] * 2)
    return float(np.median(cosines[~own])), float(np.median(np.diag(cosines)))


def test_other_passages_and_answers_stand_where_those_of_e5_do() -> None:
    scale = calibrated({"en": READ, "ru": READ, "pt": READ}).scale
    assert scale is not None
    others, answers = medians(READ)
    assert scale.closeness(others) == pytest.approx(calibration.CLOSENESS_OF_OTHERS, abs=0.01)
    assert scale.closeness(answers) == pytest.approx(calibration.CLOSENESS_OF_ANSWERS, abs=0.01)
    assert scale.reads_well
    assert 0.8 < scale.likeness(float(READ.asked[0] @ READ.reworded[0]), "ru") < 1.2


def test_language_in_which_answers_are_not_found_is_not_read() -> None:
    measured = calibrated({"en": READ, "ru": UNREAD, "pt": READ})
    assert measured.languages == {"en", "pt"}
    assert measured.scale == calibrated({"en": READ, "pt": READ}).scale
    space = measured.of(UNMEASURED)
    assert (space.languages, space.scripts) == ({"en", "pt"}, {"Latin"})
    assert fusion.blend("ru", "Cyrillic", space, stems=9.0, grams=9.0).share == 0


@pytest.mark.parametrize("noise", [0.0, 1e-5])
def test_model_that_says_nearly_the_same_of_all_texts_reads_nothing(noise: float) -> None:
    def near_one(seed: int) -> NDArray[np.float32]:
        made = np.ones((COUNT, 64)) + noise * rows(seed=seed, common=0, own=2)[:, :64]
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    questions, answers, misses, asked, reworded = map(near_one, range(2, 7))
    same = Sample(questions=questions, answers=answers, near_misses=misses, asked=asked, reworded=reworded)
    measured = calibrated({"en": same, "ru": same})
    assert (measured.scale, measured.languages) == (None, frozenset())


def test_model_that_reads_all_languages_of_ours_may_read_others() -> None:
    space = calibrated({"en": READ, "ru": READ, "pt": READ}).of(UNMEASURED)
    assert (space.languages, space.scripts) == (frozenset(), frozenset())
    assert fusion.blend("fr", "Latin", space, stems=9.0, grams=9.0).share >= 0.5


def test_words_decide_where_nothing_was_measured_or_nothing_is_read() -> None:
    nothing = calibrated({"en": UNREAD, "ru": UNREAD, "pt": UNREAD})
    for space in (UNMEASURED, nothing.of(UNMEASURED)):
        assert space.scale is None
        assert 0 < fusion.blend("en", "Latin", space, stems=9.0, grams=9.0).share <= 0.1


def test_what_was_measured_comes_back_and_another_text_is_measured_anew() -> None:
    measured = calibrated({"en": READ, "ru": UNREAD, "pt": READ})
    stored = json.loads(json.dumps(measured.to_json()))
    assert from_json(stored) == measured
    assert from_json({**stored, "texts": "other"}) is None
    nothing = Calibration(texts=measured.texts, scale=None, languages=frozenset())
    assert from_json(json.loads(json.dumps(nothing.to_json()))) == nothing


def test_vectors_of_an_unmeasured_space_make_no_two_questions_the_same() -> None:
    assert Scale().likeness(1.0, "en") == 0


def test_every_language_has_the_same_number_of_topics() -> None:
    by_language = topics()
    assert by_language.keys() == calibration.SCRIPTS.keys()
    assert {len(ones) for ones in by_language.values()} == {COUNT}
    texts = [text for ones in by_language.values() for one in ones for text in vars(one).values()]
    assert len(set(texts)) == len(texts) == 3 * COUNT * 4
