"""What is remembered of a conversation: its last turns, as many as fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retrieval_service.domain.fragments import Turn
from retrieval_service.domain.personal import Personal, personal_in
from retrieval_service.domain.records import LoggedTurn

# About what a letter costs in the three languages, rather too much than too little.
LETTERS_OF_A_TOKEN = 3


@dataclass(frozen=True, kw_only=True)
class PastTurn:
    """An earlier turn; `subject_question` needs no context, `titles` are of what the answer cites, first first."""

    question: str
    subject_question: str
    answer: str
    titles: Sequence[str]

    @property
    def as_turn(self) -> Turn:
        return Turn(question=self.question, answer=self.answer)


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """What rules read in a question that leaves something out.

    `own_words` are what it names itself, and where it `must_be_known` some document has to know them; `subject` is
    what was asked before. It `may_change_subject`, it may name a place or the like, or point back by a pronoun.
    """

    own_words: str
    must_be_known: bool
    may_change_subject: bool
    has_proper_name: bool
    points_back: bool
    subject: str


@dataclass(frozen=True, kw_only=True)
class Reworded:
    """What to search for instead of a follow-up, the language that was asked in, and what it took of a model.

    A model's has no `reading`.
    """

    text: str
    language: str
    input_tokens: int = 0
    output_tokens: int = 0
    reading: FollowUp | None = None


def past_turns(logged: Sequence[LoggedTurn]) -> list[PastTurn]:
    """Without who the customer is, said in whichever of them: no later question needs it. The shop's own stays."""
    personal = personal_in(one.question for one in logged)
    return [past_turn(one, personal) for one in logged]


def past_turn(logged: LoggedTurn, personal: Personal) -> PastTurn:
    cited = dict.fromkeys(str(number) for _, _, numbers in logged.citations for number in numbers)
    return PastTurn(
        question=personal.without(logged.question),
        subject_question=personal.without(logged.standalone_question or logged.question),
        answer=personal.without(logged.answer),
        titles=tuple(logged.titles[number] for number in cited if logged.titles.get(number)),
    )


def within_budget(newest_first: Iterable[PastTurn], tokens: int) -> tuple[PastTurn, ...]:
    """The last turns that fit, oldest first, without gaps; the very last one always."""
    kept: list[PastTurn] = []
    for turn in newest_first:
        tokens -= estimated_tokens(turn.question) + estimated_tokens(turn.answer)
        if kept and tokens < 0:
            break
        kept.append(turn)
    return tuple(reversed(kept))


def estimated_tokens(text: str) -> int:
    return -(-len(text) // LETTERS_OF_A_TOKEN)
