"""Divides a message into its questions: there are several where each finds something else."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from retrieval_service.domain.answering.follow_ups import needs_context
from retrieval_service.domain.answering.message_parts import Part, halves_of, questions_of
from retrieval_service.domain.numeric_lists.listings import Listing
from retrieval_service.domain.numeric_lists.wishes import wish_of
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.services.retrieval.relevance import Sifted
from retrieval_service.services.retrieval.search import SHORT_CHARACTERS, Found, Hit

FRAGMENTS = 5
# The fragments of one of several questions.
FRAGMENTS_OF_ASKING = 3

# In log-odds. Two halves of a sentence are two questions when the one that the whole sentence does not answer is that
# sure of what it finds, or the sentence that much less sure of the other than its own half is. One that finds nothing
# is another question when the message is that much less sure for it.
LEAST_EVIDENCE = 1.2
LEAST_LOSS = 0.6
# What is cut off a sentence by "and" and finds nothing may be part of the other half.
LEAST_LOSS_OF_HALF = 1.2


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A question of a message: as it was said, as it was searched for, and what of it to answer from.

    The text searched for is without the typing mistakes. Where it `is_sure`, the hits answer; otherwise they may help.
    """

    said: str
    text: str
    hits: Sequence[Hit] = ()
    is_sure: bool = True


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What was found, and what of it to answer from; `is_literal`: by the follow-up's own words alone.

    `askings` are the questions of a message with several, in their order; empty where it is one. Those that nothing
    answers have no hits. A `listing` is what to say of the hits, which are its entries in their order.
    """

    found: Found
    sifted: Sifted
    is_literal: bool = False
    askings: Sequence[Asking] = ()
    listing: Listing | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict; one answered question of several is enough."""
        return Verdict.ANSWERS if self.askings else self.sifted.verdict

    @property
    def hits(self) -> list[Hit]:
        """The best of all its questions, each passage once; of each question as many as of the others."""
        if not self.askings:
            return list(self.sifted.hits[: None if self.listing else FRAGMENTS])
        best = (hit for asking in self.askings for hit in asking.hits)
        return list({hit.passage.chunk_id: hit for hit in best}.values())


Search = Callable[[str], Awaitable[Gathered]]
Looked = Mapping[str, Gathered]
Cuts = Mapping[str, Sequence[tuple[Part, Part]]]


async def divided(message: str, search: Search) -> Gathered:
    """What is found for the whole, and its questions."""
    parts, cuts = await asyncio.to_thread(_cut, message) if len(message) > SHORT_CHARACTERS else _cut(message)
    looked = await look_up([message, *_readings(parts, cuts)], search)
    if len(looked) == 1:
        return looked[message]
    read = {alone: [_apart(cut, looked) for cut in several] for alone, several in cuts.items()}
    units = [unit for part in _read(parts, looked) for unit in _units(part, read[part.alone], looked)]
    return replace(looked[message], askings=_askings(units, looked, looked[message]))


def _cut(message: str) -> tuple[Sequence[Part], Cuts]:
    parts = questions_of(message)
    most_cuts = {1: 2, 2: 1}.get(len(parts), 0)
    return parts, {part.alone: _cuts(part.alone, most_cuts) for part in parts}


def _cuts(part: str, most: int) -> Sequence[tuple[Part, Part]]:
    cuts = halves_of(part)[:most] if most else ()
    return () if cuts and _is_range(part) else cuts


def _is_range(text: str) -> bool:
    """Whether it is a range: "over 20 and under 50" is one wish."""
    within = wish.within if (wish := wish_of(text)) else None
    return within is not None and within.lower is not None and within.upper is not None


async def look_up(texts: Iterable[str], search: Search) -> Looked:
    """What is found for each text; all are searched for at once, and one alone needs no task."""
    asked = list(dict.fromkeys(texts))
    if len(asked) == 1:
        return {asked[0]: await search(asked[0])}
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {text: group.create_task(_searched(text, search)) for text in asked}
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return {text: task.result() for text, task in tasks.items()}


async def _searched(text: str, search: Search) -> Gathered:
    return await search(text)


def _readings(parts: Sequence[Part], cuts: Mapping[str, Sequence[tuple[Part, Part]]]) -> list[str]:
    sentences = (
        [text for part in parts for text in (part.alone, part.framed) if text] if len(parts) > 1 else []
    )
    halves = [
        text
        for several in cuts.values()
        for cut in several
        for half in cut
        for text in (half.likeliest, half.alone if half.framed and half.begins_asking else "")
        if text
    ]
    return [*sentences, *halves, *(part.alone for part in parts if cuts[part.alone])]


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """What may be a question of its own; if nothing answers it, the message has to lose `least_loss` by it."""

    said: str
    text: str
    alone: str
    least_loss: float = LEAST_LOSS


def _read(parts: Sequence[Part], looked: Looked) -> list[_Unit]:
    """Each sentence as it goes on from the one before, or on its own where it then finds something else."""
    units: list[_Unit] = []
    for part in parts:
        text = part.likeliest
        is_same = units and text in looked and _best(looked[text]) == _best(looked[units[-1].text])
        if is_same and not needs_context(part.alone) and looked[part.alone].sifted.answers:
            text = part.alone
        units.append(_Unit(said=part.said, text=text, alone=part.alone))
    return units


def _units(unit: _Unit, cuts: Sequence[tuple[Part, Part]], looked: Looked) -> list[_Unit]:
    """Its halves, where they are two questions."""
    whole = looked.get(unit.alone)
    split = [cut for cut in cuts if whole and _is_split(cut, whole, looked)]
    if not split:
        return [unit]
    surest = max(split, key=lambda cut: min(_certainty(looked[half.likeliest]) for half in cut))
    return [
        _Unit(said=half.said, text=half.likeliest, alone=half.alone, least_loss=LEAST_LOSS_OF_HALF)
        for half in surest
    ]


def _apart(cut: tuple[Part, Part], looked: Looked) -> tuple[Part, Part]:
    """ "And can I return it?" behind "how much is the kettle": on its own, where that finds what is said of all things
    and the kettle tells nothing of it.
    """
    first, second = cut
    if not (second.framed and second.begins_asking):
        return cut
    alone, before = looked[second.alone], _best(looked[first.likeliest])
    is_another = _best(alone) not in (None, before) and _best(looked[second.framed]) == before
    return (first, replace(second, framed="")) if is_another and alone.sifted.answers else cut


def _is_split(cut: tuple[Part, Part], whole: Gathered, looked: Looked) -> bool:
    halves = [looked[half.likeliest] for half in cut]
    differ = _best(halves[0]) != _best(halves[1])
    if not all(half.sifted.answers for half in halves):
        may_be_two = (differ and _is_half_sure(halves)) or _loss(halves, whole) >= LEAST_LOSS_OF_HALF
        return all(half.begins_asking for half in cut) and may_be_two
    if not differ:
        return False
    others = [half for half in halves if _best(half) != _best(whole)]
    other = max(map(_certainty, others))
    same = [half for half in halves if half not in others]
    return other + max(0.0, _loss(same or halves, whole)) >= LEAST_EVIDENCE


def _is_half_sure(halves: Sequence[Gathered]) -> bool:
    """One is answered and the other finds what may help."""
    return any(half.sifted.answers for half in halves) and all(half.sifted.hits for half in halves)


def _loss(halves: Sequence[Gathered], whole: Gathered) -> float:
    """How much less sure the whole is than the surest of these, which finds something."""
    surest = max(map(_certainty, halves))
    return surest - _certainty(whole) if math.isfinite(surest) else 0.0


def _askings(units: Sequence[_Unit], looked: Looked, whole: Gathered) -> list[Asking]:
    """In order, questions for one document joined; none where they come to one question, which all is found for."""
    loss = _loss([looked[unit.text] for unit in units if unit.text in looked] or [whole], whole)
    joined: dict[UUID | str, Asking] = {}
    for unit in units:
        gathered = looked.get(unit.text, whole)
        hits, is_sure = gathered.sifted.hits, gathered.sifted.answers
        if not hits and (loss < unit.least_loss or needs_context(unit.alone)):
            _said_with_the_last(joined, unit.said)
            continue
        text = gathered.found.read_as or unit.text
        key = hits[0].passage.document_id if hits else unit.text
        known = joined.get(key)
        joined[key] = (
            _joined(known, unit.said, text, is_sure=is_sure)
            if known
            else Asking(said=unit.said, text=text, hits=hits[:FRAGMENTS_OF_ASKING], is_sure=is_sure)
        )
    askings = list(joined.values())
    return askings if len(askings) > 1 and any(one.hits and one.is_sure for one in askings) else []


def _said_with_the_last(askings: dict[UUID | str, Asking], said: str) -> None:
    """What goes on from a question that nothing answers is left open with it."""
    key, last = next(iter([*askings.items()][-1:]), (None, None))
    if key is not None and last is not None and not last.hits:
        askings[key] = replace(last, said=f"{last.said} {said}")


def _joined(known: Asking, said: str, text: str, *, is_sure: bool) -> Asking:
    return replace(
        known, said=f"{known.said} {said}", text=f"{known.text} {text}", is_sure=known.is_sure or is_sure
    )


def _best(gathered: Gathered) -> UUID | None:
    return next((hit.passage.document_id for hit in gathered.sifted.hits[:1]), None)


def _certainty(gathered: Gathered) -> float:
    return gathered.sifted.certainty
