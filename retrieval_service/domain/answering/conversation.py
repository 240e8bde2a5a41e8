"""The remembered part of a conversation: its last turns, within a budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retrieval_service.domain.answering.logged import LoggedTurn
from retrieval_service.domain.fragments import Turn

# About the tokens of a letter in the three languages, rather too many than too few.
LETTERS_OF_A_TOKEN = 3


@dataclass(frozen=True, kw_only=True)
class PastTurn:
    """An earlier turn; `subject_question` needs no context, `titles` are of what the answer cites, first first.

    Of one that `is_offer` what was asked is context, and an entry may be meant; what was offered is no answer. One that
    `is_of_a_thing` asks nothing of it that could be asked of another: "do you have bicycles?".
    """

    question: str
    subject_question: str
    titles: Sequence[str]
    is_offer: bool = False
    is_of_a_thing: bool = False

    @property
    def as_turn(self) -> Turn:
        """The question as it was understood, as a turn."""
        return Turn(question=self.subject_question, titles=tuple(self.titles))


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """What rules read in a question that leaves something out.

    `own_words` are what it names itself, and where it `must_be_known` some document has to know them; `asked` are
    those or, without any, what it asks of a thing. `entry` is the title that it means by its place in the answer
    before, `subject` what was asked before, and `title` what that was answered from. It `may_change_subject` or
    `keeps_subject`, it may name a place or the like, as what was asked or answered before may have, it may point back
    by a pronoun, and ask for a price. `left_open`: it asks of something else what was not answered.
    """

    own_words: str
    asked: str
    entry: str
    must_be_known: bool
    may_change_subject: bool
    has_proper_name: bool
    had_proper_name: bool
    points_back: bool
    keeps_subject: bool
    subject: str
    title: str
    left_open: bool
    asks_price: bool


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


def past_turn(logged: LoggedTurn) -> PastTurn:
    """The turn as it was logged; `Recaller` removes what is not to be remembered."""
    cited = dict.fromkeys(str(number) for one in logged.citations for number in one.numbers)
    titles = dict.fromkeys(logged.titles[number] for number in cited if logged.titles.get(number))
    return PastTurn(
        question=logged.question,
        subject_question=logged.standalone_question or logged.question,
        titles=tuple(titles),
        is_offer=logged.is_offer,
    )


def within_budget(newest_first: Iterable[PastTurn], tokens: int) -> tuple[PastTurn, ...]:
    """The last turns within the budget, oldest first and without gaps; at least the last one.

    Old offers are dropped.
    """
    kept: list[PastTurn] = []
    for turn in newest_first:
        if kept and turn.is_offer:
            continue
        tokens -= estimated_tokens(turn.subject_question) + sum(map(estimated_tokens, turn.titles))
        if kept and tokens < 0:
            break
        kept.append(turn)
    return tuple(reversed(kept))


def estimated_tokens(text: str) -> int:
    return -(-len(text) // LETTERS_OF_A_TOKEN)
