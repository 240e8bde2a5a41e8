"""What keeps programs from making links must not make a true fact doubtful."""

from __future__ import annotations

import pytest

from retrieval_service.domain.answering.checked_stream import CheckedText
from retrieval_service.domain.answering.citations import Delta
from retrieval_service.domain.answering.grounding import Flagged
from retrieval_service.domain.fragments import Prompt
from retrieval_service.text.contacts import JOINER
from tests.unit.safe_text.test_safe_text import fragment

SOURCE = (
    "Open at 10:30, 1000 ₽, 1 234 567 ₽, code AB-1234, +49 30 1234567, 24.12.2026, 12,5 %, from 7 h to 9 h"
)


def checked(text: str) -> tuple[str, list[str]]:
    """The answer, with "·" for a joiner, and what of it is flagged."""
    asked = Prompt(
        question="?",
        language="en",
        shop_name="",
        fallback_contact="",
        instructions="",
        fragments=(fragment(1, SOURCE),),
    )
    stream = CheckedText(asked)
    events = [*stream.feed(text), *stream.finish()]
    said = "".join(one.text for one in events if isinstance(one, Delta))
    flagged = [said[one.start : one.end] for one in events if isinstance(one, Flagged)]
    return said.replace(JOINER, "·"), flagged


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It opens at 10:<b>30</b> [1].", "It opens at 10:·30 [1]."),
        ("It costs 1<b>000</b> ₽ [1].", "It costs 1·000 ₽ [1]."),
        ("It costs 1 <b>234</b> 567 ₽ [1].", "It costs 1 234 ·567 ₽ [1]."),
        ("It costs 1 234 **567** ₽ [1].", "It costs 1 234 **·567** ₽ [1]."),
        ("The code is AB-<b>1234</b> [1].", "The code is AB-·1234 [1]."),
        ("It is over on 24.<b>12</b>.2026 [1].", "It is over on 24.·12·.2026 [1]."),
        ("Call 030 1234567 [1].", "Call 030 1234567 [1]."),
    ],
)
def test_true_fact_is_not_doubted_for_a_joiner(text: str, shown: str) -> None:
    assert checked(text) == (shown, [])


@pytest.mark.parametrize(
    "text",
    [
        "It opens at 10:<b>45</b> [1].",
        "It costs 1<b>001</b> ₽ [1].",
        "It costs 1 <b>234</b> 568 ₽ [1].",
        "It is over on 24.<b>11</b>.2026 [1].",
        "The code is AB-<b>1235</b> [1].",
    ],
)
def test_wrong_fact_is_doubted_all_the_same(text: str) -> None:
    _, [flagged] = checked(text)
    assert flagged.endswith("[1].")
