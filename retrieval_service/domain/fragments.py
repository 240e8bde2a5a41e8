"""What an answerer is given and what it says: numbered fragments in, text parts out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from retrieval_service.domain.documents.entries import Field
from retrieval_service.domain.verdicts import Judgement, Verdict


class FinishReason(StrEnum):
    """Why an answer ended; none of these is an error."""

    STOP = "stop"
    LENGTH = "length"
    NO_RELEVANT_CONTENT = "no_relevant_content"
    POLICY = "policy"
    PLEASANTRY = "pleasantry"
    NOT_SURE = "not_sure"


# What leaves the question open: the owner is told of it.
UNANSWERED = frozenset({FinishReason.NO_RELEVANT_CONTENT, FinishReason.NOT_SURE})


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """A retrieved passage with what stands around it, numbered from 1 for the reader; `score` is in [0, 1].

    `heading` is the path of headings above it in its document ("Returns > Period"), or "". `fields` are those of a
    product or a question with its answer, as they are stored. `meant` are those sentences of a product that the
    question is about, "" for its name, price and stock alone; none where nobody has looked.

    One that is not `is_trusted` was written by strangers: its links and contacts are no one's word.
    """

    number: int
    document_id: str
    chunk_id: str
    title: str
    url: str
    text: str
    language: str
    score: float
    is_trusted: bool = True
    heading: str = ""
    fields: tuple[Field, ...] = ()
    meant: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One earlier question of the same conversation, and the titles of what it was answered from."""

    question: str
    titles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PromptPart:
    """One question of several, as it was said and as it was searched for, and what was found for it alone.

    Fragments have the numbers that they have in the prompt; none answers a question without any, and those of one that
    is not `is_sure` may help.
    """

    said: str
    question: str
    fragments: tuple[Fragment, ...]
    is_sure: bool = True


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """Everything an answerer may know: no tenant ids, no customer data beyond the question.

    A `listing` is the whole answer, line by line and with its citations, computed from what documents state of numbers.
    `safety_identifier` is a keyed hash: a provider can tell askers apart by it and not who they are. `verdict` is what
    the words and the meaning of the fragments promise. `parts` are the questions of a message that asks several, in
    their order; empty where it asks one. `read_as` is the question without its typing mistakes, "" where it has none;
    it chooses what to quote and is shown to nobody. A `follow_up` is the question without the conversation that it goes
    on from, "" where it goes on from none.
    """

    question: str
    language: str
    shop_name: str
    fallback_contact: str
    instructions: str
    fragments: tuple[Fragment, ...]
    history: tuple[Turn, ...] = ()
    link_domains: tuple[str, ...] = ()
    safety_identifier: str = ""
    verdict: Verdict = Verdict.ANSWERS
    listing: tuple[str, ...] = ()
    parts: tuple[PromptPart, ...] = ()
    read_as: str = ""
    follow_up: str = ""

    @property
    def asked(self) -> str:
        """The question as it was searched for."""
        return self.read_as or self.question


@dataclass(frozen=True, kw_only=True)
class TextPart:
    """A piece of the answer; citations stand in it as `[1]` or `[1][3]` after the sentence they support."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The first part of an answer whose writer says what it has found in the fragments."""

    judgement: Judgement


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The last part of every answer, exactly once; tokens are 0 when no model was called."""

    finish_reason: FinishReason
    input_tokens: int = 0
    output_tokens: int = 0


SpokenPart = TextPart | Ending
AnswerPart = Judged | SpokenPart
