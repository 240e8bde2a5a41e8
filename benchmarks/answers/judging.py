"""What came back for one question, and by which rules it counts as right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks.answers.sets import Kind, Question
from retrieval_service.cli.commands.search_and_ask import Mode

FEW = 5


class Ending(StrEnum):
    """How an answer ended, by the names of the contract's finish reasons: a new reason fails until it has a line here.

    What has `ANSWERED` is stated as a fact; an ending that says less ("perhaps this helps") is another one.
    """

    ANSWERED = "STOP"
    CUT = "LENGTH"
    NOTHING = "NO_RELEVANT_CONTENT"
    REFUSED_BY_MODEL = "POLICY"
    PLEASANTRY = "PLEASANTRY"
    NOT_SURE = "NOT_SURE"

    @property
    def states_a_fact(self) -> bool:
        return self in {Ending.ANSWERED, Ending.CUT}

    @property
    def shows_entries(self) -> bool:
        """As an answer, or as what perhaps helps."""
        return self.states_a_fact or self is Ending.NOT_SURE


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question and what came back.

    `ranks` say where the first expected document stands in a search of the question on its own, None when it is not
    among the hits; they are empty for follow-ups and for what cannot be answered, and lack the semantic search where
    words were searched in its place. `cited` are external ids without
    repetitions, `language` is that of the text.
    """

    set_name: str
    set_language: str
    question: Question
    ending: Ending
    text: str
    language: str
    answerer: str
    cited: Sequence[str] = ()
    ranks: Mapping[Mode, int | None] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def id(self) -> str:
        return f"{self.set_name}/{self.question.id}"

    @property
    def is_searched(self) -> bool:
        return bool(self.ranks)

    def is_found(self, among: int, mode: Mode = Mode.HYBRID) -> bool:
        """A right document is among the first so many."""
        rank = self.ranks.get(mode)
        return rank is not None and rank <= among

    @property
    def is_answered_right(self) -> bool:
        """States something and cites a right document, wherever."""
        return self.ending.states_a_fact and not self.question.expected.isdisjoint(self.cited)

    @property
    def is_shown_right(self) -> bool:
        """Cites a right document, wherever, in an answer or in what perhaps helps."""
        return self.ending.shows_entries and not self.question.expected.isdisjoint(self.cited)

    @property
    def is_good(self) -> bool:
        """A right document comes first, nothing that was asked is left out, and the expected words are shown.

        Whether as an answer or as what perhaps helps.
        """
        return (
            self.ending.shows_entries
            and bool(self.cited)
            and self.cited[0] in self.question.expected
            and self.cites_every_part
            and shows(self.text, self.question.contains)
            and not (self.question.avoided and shows(self.text, self.question.avoided))
        )

    @property
    def cites_every_part(self) -> bool:
        return self.ending.shows_entries and all(
            not part.isdisjoint(self.cited) for part in self.question.parts
        )

    @property
    def is_lost(self) -> bool:
        """Nothing is said although the search has a right document among the first few."""
        return self.ending is Ending.NOTHING and self.is_found(FEW)

    @property
    def is_in_wrong_language(self) -> bool:
        return self.language != self.question.language

    @property
    def is_right(self) -> bool:
        """What is not listed as wrong."""
        if self.question.kind.is_answerable:
            return self.is_good if self.question.contains else self.is_shown_right and self.cites_every_part
        return not self.ending.states_a_fact


def is_double(asked: Asked) -> bool:
    return asked.question.kind is Kind.TWO_IN_ONE and bool(asked.question.parts)


# --- the same words, however numbers, case and spaces are written

_CITATION = re.compile(r"\[\d{1,3}\]")
_SAME = (("ё", "е"), ("–", "-"), ("—", "-"))
_MARKUP = re.compile(r"[*_`]+")
# 5 490 · 5,490 · 5.490: groups of three that follow one to three digits, of which the first is no 0.
_THOUSANDS = re.compile(r"(?<![\d.,])([1-9]\d{0,2})((?:[ .,]\d{3})+)(?![\d]|[.,]\d{4})")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_ZEROS_BEHIND = re.compile(r"(?<=\d)(\.\d*?)0+(?!\d)")
# Those between digits, and behind what may belong to a number, keep two numbers apart.
_SPACE = re.compile(r"(?<![\d.,]) | (?!\d)")


def shows(text: str, words: str) -> bool:
    """`words` stand in the text, and digits at their ends are not part of a longer number: 90 is not in 190 or 90.5."""
    wanted = normal(words)
    before = r"(?<!\d)(?<!\d\.)" if wanted[:1].isdigit() else ""
    behind = r"(?!\d)(?!\.\d)" if wanted[-1:].isdigit() else ""
    return re.search(before + re.escape(wanted) + behind, normal(text)) is not None


def normal(text: str) -> str:
    """One way to write it: 5 490 ₽ and 5490₽ are the same, and so are 32,50, 32.5 and **32.5**."""
    plain = unicodedata.normalize("NFKC", _CITATION.sub(" ", text)).casefold()
    for one, other in _SAME:
        plain = plain.replace(one, other)
    return _SPACE.sub("", " ".join(_numbers(line) for line in plain.splitlines()))


def _numbers(line: str) -> str:
    """A number ends with its line at the latest."""
    plain = " ".join(_MARKUP.sub("", line).split())
    whole = _THOUSANDS.sub(lambda found: found[1] + re.sub(r"[ .,]", "", found[2]), plain)
    return _ZEROS_BEHIND.sub(lambda found: found[1].rstrip("."), _DECIMAL_COMMA.sub(".", whole))
