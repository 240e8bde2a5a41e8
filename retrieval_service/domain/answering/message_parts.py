"""Proposes how a message may divide into questions; what is found for each decides whether it does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval_service.domain.answering.follow_ups import asks, needs_context
from retrieval_service.text.sentences import split_sentences

MOST_PARTS = 4
# "And on what days …", "e a partir de que idade …".
_MOST_WORDS_BEFORE_ASKING = 4
# A longer message tells a story and is one question.
MOST_CHARACTERS = 1_000

_AND = re.compile(r",?\s{1,3}(?:and|и|e)\s", re.IGNORECASE)
_COMMA = re.compile(r",\s{1,3}(?!(?:and|и|e)\s)", re.IGNORECASE)
_OPENER = re.compile(r"(?:and|but|а|и|но|e|mas)\s+(?:also\s+|ещё\s+|еще\s+|também\s+)?", re.IGNORECASE)
_NUMBER = re.compile(r"(?:\(?\d{1,2}[.)]|[-*•–—])\s")
_NUMBERED = re.compile(r"(?<=\s)\(?\d{1,2}[.)]\s(?=[^\W\d_])")
_ENDS = " \t\n,;:.!?…"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A question of a message as it was said, and as it may be searched for, with and without its sibling's words.

    `framed` stands in the sentence before it in the place of that one's end; "" where it says itself what it asks.
    """

    said: str
    alone: str
    framed: str = ""

    @property
    def likeliest(self) -> str:
        return self.framed or self.alone

    @property
    def begins_asking(self) -> bool:
        """Whether one of its first words asks something."""
        return _begins_asking(self.alone)


def questions_of(message: str) -> list[Part]:
    """The questions, each with the statements before it; one part for a single question.

    Questions beyond `MOST_PARTS` stay with the last part.
    """
    asked = _joined(_sentences(message)) if len(message) <= MOST_CHARACTERS else [message]
    if len(asked) > MOST_PARTS:
        asked = [*asked[: MOST_PARTS - 1], " ".join(asked[MOST_PARTS - 1 :])]
    return [part_of(one, asked[place - 1] if place else "") for place, one in enumerate(asked)]


def halves_of(question: str) -> list[tuple[Part, Part]]:
    """The halves at each "and" of its last sentence. Halves that begin with a question word come first.

    A comma divides only where both sides begin with one.
    """
    if not question.strip() or len(question) > MOST_CHARACTERS:
        return []
    last = split_sentences(question)[-1].start
    cuts = [(question[: one.start()], question[one.end() :]) for one in _AND.finditer(question, last)]
    commas = [(question[: one.start()], question[one.end() :]) for one in _COMMA.finditer(question, last)]
    cuts += [cut for cut in commas if all(map(_begins_asking, cut))]
    whole = [(left, right) for left, right in cuts if left.strip(_ENDS) and right.strip(_ENDS)]
    ranked = sorted(whole, key=lambda cut: _words_before_asking(cut[1]))
    return [(part_of(left), part_of(right, left)) for left, right in ranked]


def part_of(said: str, before: str = "") -> Part:
    """A part without "and" in front; `before` is the question that it continues, "" for none."""
    alone = _without(_OPENER, said.strip())
    return Part(said=said.strip(), alone=alone, framed=_framed(alone, before) if before else "")


def _framed(alone: str, before: str) -> str:
    """ "How much is the kettle" and "the cups": "How much is the cups"; one that points back follows all of it."""
    if _begins_asking(alone):
        return f"{before.strip()} {alone}" if needs_context(alone) else ""
    words, own = before.strip(_ENDS).split(), alone.split()
    frame = words[: max(len(words) - len(own), 0)]
    return " ".join([*frame, alone]) if frame else ""


def _begins_asking(text: str) -> bool:
    return _words_before_asking(text) < _MOST_WORDS_BEFORE_ASKING


def _words_before_asking(text: str) -> int:
    """How many stand before the first that says that something is asked, no more than matter."""
    said = text.split()[:_MOST_WORDS_BEFORE_ASKING]
    return next((place for place, word in enumerate(said) if asks(word)), _MOST_WORDS_BEFORE_ASKING)


def _sentences(message: str) -> list[str]:
    """Sentences and lines, and items of "1) … 2) …", without their numbers."""
    items = _NUMBERED.sub("\n", message)
    sentences = [one.text.strip() for line in items.splitlines() for one in split_sentences(line)]
    return [bare for one in sentences if (bare := _without(_NUMBER, one))]


def _joined(sentences: Sequence[str]) -> list[str]:
    """Each question with the statements before it; statements after the last question stay with it.

    A sentence that begins with a question word is a question without its mark too.
    """
    asked, told = list[str](), list[str]()
    for sentence in sentences:
        told.append(sentence)
        if sentence.endswith("?") or _words_before_asking(sentence) == 0:
            asked.append(" ".join(told))
            told = []
    if not asked:
        return [" ".join(told)]
    return [*asked[:-1], " ".join([asked[-1], *told])]


def _without(beginning: re.Pattern[str], text: str) -> str:
    found = beginning.match(text)
    return text[found.end() :].strip() if found else text
