"""Whether a text tells the day that is asked for, or only other days of the year."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval_service.text.facts.days import Days, asks_of_now, days_of, tells_day
from retrieval_service.text.polarity import Stance
from retrieval_service.text.sentences import split_sentences

_MOST_CHARACTERS = 4_000
_LONGEST_QUESTION = 300


def day_stances(question: str, texts: Sequence[str]) -> list[Stance]:
    """One for each text below its title: one that tells other days than the one that is asked for opposes.

    So does one whose numbers are all of special days, where "today" is asked for.
    """
    asked = days_of(question[:_LONGEST_QUESTION])
    if not asked and not asks_of_now(question):
        return [Stance.FREE for _ in texts]
    return [_stance(asked, text[:_MOST_CHARACTERS]) for text in texts]


def _stance(asked: Sequence[Days], text: str) -> Stance:
    told = days_of(text)
    if not told:
        return Stance.FREE
    if asked:
        return Stance.FITS if tells_day(asked, told) else Stance.OPPOSES
    title, _, body = text.partition("\n")
    plain = [one.text for one in split_sentences(body) if not days_of(one.text)]
    is_usual = not days_of(title) and any(map(str.isdigit, "".join(plain)))
    return Stance.FREE if is_usual else Stance.OPPOSES
