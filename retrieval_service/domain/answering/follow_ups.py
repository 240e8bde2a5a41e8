"""Follow-up questions, which need the turn before, and what they take from it; ru, en and pt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise

from retrieval_service.domain.answering.asked_prices import asks_price
from retrieval_service.domain.answering.conversation import FollowUp, PastTurn
from retrieval_service.text.function_words import FUNCTION_WORDS
from retrieval_service.text.small_talk.small_talk import pleasantry_of
from retrieval_service.text.words import fold, words

MOST_WORDS_OF_A_NAME = 4
MOST_SUBJECT_WORDS = 12
# "And the warranty?", "А в чёрном матовом цвете?": an ellipsis names what is different, and little else.
MOST_WORDS_OF_ELLIPSIS = 1
MOST_WORDS_BEHIND_PREPOSITION = 3
# One word may be a verb, as in "can I return it"; of two, one is likely what "it" stands for.
_VERBS = 1


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Pronouns for something that was named before.
_POINTERS = _words(
    """
    it its he him his she her hers they them their theirs this these those ones
    он она оно они его ее ему ей им ими их нем ней них него нее этот эта эти этого этой этому этим этих этом эту
    такой такая такое такие такого таких тот та те того той там туда оттуда тогда
    ele ela eles elas dele dela deles delas nele nela neles nelas isso isto disso disto nisso nisto esse essa
    esses essas este estes estas desse dessa desses dessas deste desta nesse nessa neste nesta aquele aquela
    daquele daquela lá lo los la las
    """
)
# Where nothing was named before them: "how long does that take?", "сколько это займёт?".
_POINTERS_AT_FIRST = _words("that это")
# Of "that" and "one" only the last in a question points back: "lamps that glow" and "which one of them" do not.
_POINTERS_AT_THE_END = _words("that one there same это том тем то таком")
# "Is it possible to …", "how long does it take": nothing was named before.
_AFTER_EMPTY_IT = _words("possible necessary true ok okay allowed safe take takes cost better worth")
_EMPTY_POINTERS = _words("it его")

_OPENERS = _words("а и но and but or so then e mas ou então")
_PREPOSITIONS = _words(
    """
    in for with without of at on to from by until till before after during besides than
    в во на для с со без из до от после при через кроме вместе за по к ко
    por para com sem em no na nos nas de do da até após depois desde além
    """
)
# "Tem em azul?", "Есть в синем?": of what was spoken of.
_HAVING = _words("есть имеется бывает tem têm existe")
_IF = _words("если if se")
# "Как их получить?", "Can I redeem it?": there are many words for what is done.
_WAYS = _words("как можно how can como posso pode")
# Behind the first word, and with small letters: an abbreviation is no town.
_PROPER_NAME = re.compile(r"(?<=[^\W\d_] )[^\W\d_a-zа-яёà-öø-ÿ][a-zа-яёà-öø-ÿ]{2}")
_OPENING_PAIRS = {
    ("what", "about"),
    ("how", "about"),
    ("а", "если"),
    ("e", "se"),
    ("and", "if"),
    ("but", "if"),
}
# "And if it doesn't fit?" asks for what is done then, whatever was spoken of.
_NOT = _words("не not don doesn didn não nao")
_FITTING = {
    **dict.fromkeys(_words("подойдет подойдут подошел подошла подошло подошли"), "Как вернуть товар?"),
    **dict.fromkeys(_words("fit fits suit suits"), "How do I return an item?"),
    **dict.fromkeys(_words("servir serve servirem servem couber"), "Como devolvo um produto?"),
}
# A question with one of these says itself what it wants to know.
_ASKING = _words(
    """
    how what when where which who why can do does is are
    как какой какая какое какие когда где куда кто почему зачем можно сколько ли
    como qual quais quando onde quem quanto quanta quantos quantas posso tem
    """
)
# "Until what time?", "А до скольки?", "Até que horas?"
_WHICH = _words(
    """
    what which how whom чего чему чем какого какому каким каком какой какую каких какими скольки сколько скольких
    кого кому кем чей чья чье чьи чьей чьего que qual quais quem quando quanto quanta quantos quantas onde
    """
)
# "A partir de que idade?"
_BEGINNING = ("a", "partir")
# What is asked of a thing, without the thing.
_ATTRIBUTES = _words(
    """
    many cost costs price prices pay expensive cheap cheaper size sizes weight weigh weighs colour color colours colors
    stock available much long big large heavy made longer sooner earlier later faster more less bigger smaller
    take takes last lasts
    стоит стоят стоить цена цену цены ценой дорого дешевле размер размеры размера вес весит цвет цвета цветов
    наличии наличие есть сделан сделана сделано дольше раньше позже быстрее больше меньше
    займет занимает займут длится длятся
    custa custam custo preço preco valor caro barato tamanho tamanhos peso pesa cor cores disponível disponivel
    estoque feito feita mais menos maior menor cedo tarde rápido tempo demora
    demorar leva levar dura duram
    """
)
# "The second one", "а последний?", "quanto custa o terceiro?": an entry of the answer before.
_PLACES = (
    _words("first 1st первый первая первое первую первом первой первого primeiro primeira"),
    _words("second 2nd второй вторая второе вторую втором второго segundo segunda"),
    _words("third 3rd третий третья третье третью третьем третьего terceiro terceira"),
    _words("fourth 4th четвертый четвертая четвертое четвертую quarto quarta"),
    _words("fifth 5th пятый пятая пятое пятую quinto quinta"),
    _words("last последний последняя последнее последнюю último última"),
)
_GRAMMAR = frozenset[str]().union(*FUNCTION_WORDS.values()) | {"quê"}
# Words that name nothing and nobody.
ASKING_WORDS = _GRAMMAR | _ATTRIBUTES | _ASKING | _POINTERS


def needs_context(question: str) -> bool:
    """Whether the question leaves out what it is about; one without any word does not."""
    said = words(question)
    leaves_out = not _subjects(said) or _points_back(said) or _is_ellipsis(said) or _place(said) is not None
    return bool(said) and leaves_out and not pleasantry_of(question)


def may_continue(question: str) -> bool:
    """Whether the earlier turn may matter: "and a tyre change?" does not say for which car."""
    said = words(question)
    is_brief = bool(said) and said[0] in _OPENERS and len(_subjects(said)) <= MOST_WORDS_BEHIND_PREPOSITION
    return needs_context(question) or (is_brief and not pleasantry_of(question))


def read(question: str, last: PastTurn, entry: str) -> FollowUp:
    """Reads a follow-up for the search."""
    title = "" if last.is_offer else next(iter(last.titles), "")
    return FollowUp(
        own_words=own_words(question),
        entry=entry,
        asked=own_words(question) or _asked_of_a_thing(question),
        must_be_known=must_be_known(question),
        may_change_subject=may_change_subject(question),
        has_proper_name=_PROPER_NAME.search(question) is not None,
        had_proper_name=_PROPER_NAME.search(f"{last.subject_question} \n{title}") is not None,
        points_back=_points_back(words(question)),
        keeps_subject=_points_back(words(question)) or _asks_which(words(question)),
        subject=last.subject_question,
        title=title,
        left_open=last.is_offer and not last.is_of_a_thing and _names_another(question),
        asks_price=asks_price(question),
    )


def _names_another(question: str) -> bool:
    """ "And the lamp?" after a question about a kettle, and neither "and is it heavy?" nor "and if it breaks?"."""
    said = words(question)
    return needs_context(question) and not (_is_conditional(said) or _points_back(said))


def is_one_thing(question: str) -> bool:
    """ "Do you have bicycles?": nothing is asked of them that could be asked of others."""
    return len(own_words(question).split()) <= 1


def may_change_subject(question: str) -> bool:
    """Whether it may as well be about something else: "and for children?", "and if it arrives broken?"."""
    said = words(question)
    first, second = [*said, "", ""][:2]
    if _points_back(said) or _asks_which(said) or _remedy(said):
        return False
    return (first, second) in _OPENING_PAIRS or (first in _OPENERS and second in _PREPOSITIONS)


def asks(question: str) -> bool:
    """Whether a word marks the text as a question."""
    return not _ASKING.isdisjoint(words(question))


def only_names(message: str) -> bool:
    """ "Bike hire", which asks nothing: every word of it says what is wanted."""
    is_brief = len(message.split()) <= MOST_WORDS_OF_A_NAME
    return is_brief and "?" not in message and not asks(message)


def own_words(question: str) -> str:
    """The words that it names itself, without question words: empty for "and how much is it?"."""
    said = words(question)
    return "" if _remedy(said) else " ".join(_subjects(said))


def entry_of(question: str, titles: Sequence[str]) -> str:
    """The title that the question means by its position; empty when it means none."""
    place = _place(words(question))
    return titles[place] if place is not None and -1 <= place < len(titles) and titles else ""


def _place(said: Sequence[str]) -> int | None:
    """From 0, or -1 for the last; None where more is named than a place: "tell me about the second one"."""
    # The "last" of "How long does it last?" is no position.
    kept = [
        word
        for before, word in pairwise(("", *said))
        if (before, word) == ("the", "last") or _subjects([word])
    ]
    named = [word for word in kept if word not in _ASKING | _POINTERS_AT_THE_END]
    if not named or len(named) > 1 + _VERBS or said[-1] not in {named[-1], *_POINTERS_AT_THE_END}:
        return None
    place = next((index for index, ones in enumerate(_PLACES) if named[-1] in ones), None)
    return -1 if place == len(_PLACES) - 1 else place


def _asked_of_a_thing(question: str) -> str:
    said = words(question)
    return "" if _remedy(said) else " ".join(word for word in said if word in _ATTRIBUTES)


def must_be_known(question: str) -> bool:
    """Whether nothing can be said of what no document names: not so of a town, of what may have happened, or of what
    can be done with the subject.
    """
    said = words(question)
    is_deed = _points_back(said) and not _WAYS.isdisjoint(said) and len(_subjects(said)) == 1
    return not (_is_conditional(said) or is_deed or _PROPER_NAME.search(question))


def _is_conditional(said: Sequence[str]) -> bool:
    return not _IF.isdisjoint(said[:3])


def with_context(question: str, last: PastTurn) -> str:
    """The question with what it is about behind it: what the last answer cites, else what was asked.

    As it stands where it says itself what it is about.
    """
    if not needs_context(question):
        return question
    said = words(question)
    if remedy := _remedy(said):
        return remedy
    is_ellipsis = _is_ellipsis(said)
    known = {fold(word) for word in said}
    titles = () if last.is_offer else last.titles[:1]
    subject = _naming(titles, known)
    if is_ellipsis or not titles:
        asked = _naming([last.subject_question], known | subject.keys(), with_attributes=is_ellipsis)
        subject = {**subject, **asked}
    subject = list(subject.values())[:MOST_SUBJECT_WORDS]
    return f"{question.strip()} {' '.join(subject)}" if subject else question


def _remedy(said: Sequence[str]) -> str:
    """The question behind one about what does not fit; empty when the question is not about that."""
    if tuple(said[:2]) not in _OPENING_PAIRS or _NOT.isdisjoint(said):
        return ""
    return next((_FITTING[word] for word in said if word in _FITTING), "")


def _points_back(said: Sequence[str]) -> bool:
    """Whether a pronoun stands for something that the question has not named before it."""
    if not said:
        return False
    named = _named_before(said)
    if said[-1] in _POINTERS_AT_THE_END and named[-1] <= _VERBS:
        return True
    if any(
        word in _POINTERS_AT_FIRST and not before for word, before in list(zip(said, named, strict=True))[1:]
    ):
        return True
    followers = [*said[1:], ""]
    return any(
        word in _POINTERS
        and not (word in _EMPTY_POINTERS and follower in _AFTER_EMPTY_IT)
        and before <= _VERBS
        for word, follower, before in zip(said, followers, named, strict=True)
    )


def _named_before(said: Sequence[str]) -> list[int]:
    """How many possible names stand before each word."""
    naming = (len(_subjects([word])) and word not in _ASKING for word in said[:-1])
    return list(accumulate(naming, initial=0))


def _is_ellipsis(said: Sequence[str]) -> bool:
    """Whether it continues the question before and replaces little of it: "e em preto?"."""
    first, second = [*said, "", ""][:2]
    if (first, second) in _OPENING_PAIRS:
        return True
    if _asks_which(said):
        return True
    is_variant = first in _HAVING and second in _PREPOSITIONS
    if not is_variant and (first not in _OPENERS or any(word in _ASKING for word in said)):
        return False
    is_placed = first in _OPENERS and second in _PREPOSITIONS
    most = MOST_WORDS_BEHIND_PREPOSITION if is_placed else MOST_WORDS_OF_ELLIPSIS
    return len(_subjects(said)) <= most


def _asks_which(said: Sequence[str]) -> bool:
    """ "Until what time?", with nothing that it would be the time of."""
    placed = said[1:] if said and said[0] in _OPENERS else said
    placed = placed[2:] if tuple(placed[:2]) == _BEGINNING else placed
    is_placed = len(placed) > 1 and placed[0] in _PREPOSITIONS and placed[1] in _WHICH
    return is_placed and len(_subjects(placed)) <= 1


def _subjects(said: Sequence[str]) -> list[str]:
    """The words that may be names of things."""
    return [word for word in said if word not in _GRAMMAR and word not in _ATTRIBUTES]


def _naming(sources: Sequence[str], known: set[str], *, with_attributes: bool = False) -> dict[str, str]:
    """The words that name something, as they were written, by how they sound; and what was asked of it: its price."""
    chosen: dict[str, str] = {}
    for word in (word for text in sources for word in text.split()):
        plain = "".join(words(word))
        is_telling = _subjects([plain]) or (with_attributes and plain in _ATTRIBUTES)
        if plain and is_telling and fold(plain) not in known:
            chosen.setdefault(fold(plain), word.strip(".,;:!?«»\"'()"))
    return chosen
