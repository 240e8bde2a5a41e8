"""Which of a product's fields and sentences a question is about, by their words and by what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from retrieval_service.domain.documents.product_sizes import size_sentences, without_sizes
from retrieval_service.domain.documents.templates import Role
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.quotation.quote_scoring import asks_for_number, said_shares
from retrieval_service.domain.quotation.quotes import quotes_of
from retrieval_service.text.function_words import FUNCTION_WORDS, TALK
from retrieval_service.text.words import stem, words

# Of a question and of a product, whatever their size.
MOST_ASKED = 24
_MOST_STATEMENTS = 48
_LONGEST_STATEMENT = 300
# What all words of the question are worth beside the cosine, of a model whose cosines lie close together.
_WORTH_OF_WORDS = 0.05
_SAME_WORD = 1.0
# Price and stock are told in any case, and beside them a field does no harm.
_TOLD_ANYWAY = 0.02
_MEASURED = re.compile(r"[\d., \u00a0]{1,20}([^\W\d_]{1,12})")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a product says in one place: a `sentence` as it is quoted, "" for what stands before all of them.

    `meaning` is what is compared with the question: of a field its name, for a value is a number more often than not.
    """

    sentence: str
    meaning: str

    @property
    def is_field(self) -> bool:
        return self.meaning != self.sentence


def statements_of(fragment: Fragment) -> list[Statement]:
    """Price and stock, sentences of the description and fields; none of what is no product, or has no field."""
    roles = {field.role for field in fragment.fields}
    if not {Role.NAME, Role.ATTRIBUTE} <= roles:
        return []
    return list(islice(_statements(fragment), _MOST_STATEMENTS))


def _statements(fragment: Fragment) -> Iterator[Statement]:
    told = [one for one in fragment.fields if one.role is Role.ATTRIBUTE]
    labels = {f"{one.label}: {one.text}": f"{one.label}{_unit(one.text)}" for one in told}
    for one in fragment.fields:
        if one.role in (Role.PRICE, Role.STOCK):
            yield Statement(sentence="", meaning=one.label or one.text.partition(":")[0])
    for quote in quotes_of(fragment):
        if 0 < len(quote.sentence) <= _LONGEST_STATEMENT and not quote.is_told:
            yield Statement(sentence=quote.sentence, meaning=labels.get(quote.sentence, quote.sentence))


def _unit(text: str) -> str:
    """ ", kg" of "17.5 kg": a weight that is asked for in pounds is another one."""
    measured = _MEASURED.fullmatch(text)
    return f", {measured[1]}" if measured else ""


def asked_of(question: str, fragments: Iterable[Fragment]) -> str:
    """The question without the names of the products, "" when it asks nothing more."""
    pairs = {(word, one.language) for one in fragments for word in words(one.title)}
    names = {stem(word, language) for word, language in pairs}
    languages = {language for _, language in pairs}

    def is_named(said: str) -> bool:
        return any(stem(word, language) in names for word in words(said) for language in languages)

    rest = " ".join(said for said in question.split() if not is_named(said))
    return rest if asks_for_number(rest) or any(telling(rest, one) for one in languages) else ""


def meant(
    asked: str, language: str, statements: Sequence[Statement], closeness: Sequence[float]
) -> tuple[str, ...]:
    """The statement that comes nearest, and another one that says a word of the question which the first does not."""
    said = list(islice(dict.fromkeys(telling(asked, language)), MOST_ASKED))
    shares = said_shares(said, language, [one.sentence or one.meaning for one in statements])
    worth = [
        cosine + _WORTH_OF_WORDS * sum(share) / max(len(said), 1) - (0.0 if one.sentence else _TOLD_ANYWAY)
        for one, cosine, share in zip(statements, closeness, shares, strict=True)
    ]
    ranked = sorted(range(len(statements)), key=lambda place: -worth[place])
    first, *others = ranked
    also = next((place for place in others if _adds(shares[place], shares[first])), None)
    places = [first] if also is None else [first, also]
    return tuple(dict.fromkeys(statements[place].sentence for place in places))


def of_size(
    question: str, asked: str, fragment: Fragment, statements: Sequence[Statement]
) -> Sequence[Statement]:
    """Those of the kind of size that is asked for, where nothing else is; all of them where none is."""
    if telling(without_sizes(asked), fragment.language):
        return statements
    sizes = size_sentences(question, fragment.title, fragment.fields, fragment.language)
    return [one for one in statements if one.sentence in sizes] or statements


def telling(asked: str, language: str) -> list[str]:
    """None where it holds only grammar and talk."""
    empty = FUNCTION_WORDS.get(language, frozenset()) | TALK.get(language, frozenset())
    return [word for word in words(asked) if word not in empty]


def _adds(share: Sequence[float], known: Sequence[float]) -> bool:
    pairs = zip(share, known, strict=True)
    return any(here >= _SAME_WORD and there == 0 for here, there in pairs)
