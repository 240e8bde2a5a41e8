"""What customers are called, in their own words, and where a text says it: "rose tea" is no Rose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from retrieval_service.domain.function_words import FUNCTION_WORDS

MOST_NAMES = 4
# Shorter names would be found in the middle of what is none: only the exact word is left out.
LEAST_INFLECTED = 4
# In one conversation; each is looked for in all of it.
_MOST_INTRODUCED = 64
_CACHED_TEXTS = 512

Place = tuple[int, int]

# Repeats are bounded: a text of one hyphenated word would be read anew from each of its parts.
NAME = r"[^\W\d_]+(?:[-'’][^\W\d_]+){0,3}"
CAPITAL_NAME = rf"(?-i:(?=[A-ZÀ-ÖØ-ÞĀ-ŽЀ-Я])){NAME}"
_LOWER_NAME = r"(?-i:[a-zß-öø-ÿа-џ])[^\W\d_]*(?:[-'’][^\W\d_]+){0,3}"
_PARTICLE = r"de|da|do|das|dos|e|di|von|van|der|bin|ибн|оглы"
# "João da Silva", "Vincent van Gogh".
_NAMES = rf"{NAME}(?:(?: (?:{_PARTICLE})){{0,2}} {CAPITAL_NAME}){{0,{MOST_NAMES - 1}}}"
_SAYS = r"[ \t]{0,3}[:—–-]?[ \t]{0,3}"
_GREETING = (
    r"\A\s{0,3}(?:(?:hi|hello|hey|good (?:morning|day|afternoon|evening)|здравствуйте|привет|"
    r"добрый (?:день|вечер)|доброе утро|oi|olá|bom dia|boa (?:tarde|noite))(?: there)?[,.!]{0,3} {0,3})?"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GRAMMAR = frozenset[str]().union(*FUNCTION_WORDS.values())
_PARTICLES = frozenset(_PARTICLE.split("|"))
# What stands where a name would and is none.
_NO_NAMES = _words(
    """
    tomorrow today tonight later back soon asap maybe please anytime monday tuesday wednesday thursday friday
    saturday sunday morning afternoon evening noon whenever immediately crazy misspelled wrong missing incorrect
    spelled written wife husband mother father friend company
    from vegan vegetarian looking interested trying new sorry sure afraid allergic pregnant diabetic celiac coeliac
    happy unhappy glad ready here fine good ok okay great late busy back lost confused tired hungry thirsty ill sick
    blind deaf free old young still already also only really currently just curious unsure done well able unable
    russian american english british german french portuguese brazilian spanish italian chinese japanese indian
    muslim jewish customer client buyer student order tea coffee golden green black white red blue royal silver earl
    завтра сегодня позже утром вечером днём днем сейчас потом жены мужа мамы папы друга подруги компании фирмы
    получателя покупателя заказ заказа веган вегетарианец вегетарианка диабетик аллергик покупатель клиент студент
    русский русская москвич россиянин новый новая постоянный хочу хотел хотела ищу купил купила могу буду живу
    amanhã hoje depois logo agora vegano vegana vegetariano vegetariana diabético diabética alérgico alérgica
    brasileiro brasileira português portuguesa cliente novo nova mãe pai esposa marido empresa pedido quero gostaria
    """
)
_NO_NAME_ENDINGS = ("ing", "ed", "ic", "ful", "ous", "ive", "ble", "less", "ant", "ent")
# Names that are things too: written small they are those.
_ALSO_WORDS = _words(
    """
    rose lily daisy ruby jasmine violet iris ivy olive ginger pearl amber crystal grace hope faith joy mark bill will
    may june april august summer jade hazel rosemary heather robin jack frank art rob pat sandy
    роза розы лилия вера надежда любовь лев слава майя марк
    rosa margarida violeta íris flor clara vitória graça pérola coelho leite
    """
)
_SURNAME = re.compile(r"(?:ов|ев|ёв|ин|ын|ова|ева|ёва|ина|ына|ск[а-я]{2}|цк[а-я]{2}|ко|ук|юк|ич|вна|чна)\Z")

# What comes behind these is a name however it is written.
_INTRODUCTION = re.compile(
    r"""
    \bменя\ зовут | \bзовут\ меня | \bмо[её]\ имя | \bмоя\ фамилия | \bна\ имя
    | \b(?:имя|фамилия|фио|получатель|name|surname|recipient|nome|sobrenome|destinatári[oa])\ ?(?=:)
    | \bmy\ (?:full\ |first\ |last\ )?name(?:\ is|['’]s) | \bcall\ me
    | \bin\ the\ name\ of | \bunder\ the\ name(?:\ of)?
    | \bmeu\ (?:nome|sobrenome)\ é | \bme\ chamo | \bchamo-me | \b(?:em|no)\ nome\ de
    """,
    re.IGNORECASE | re.VERBOSE,
)
_AFTER_INTRODUCTION = re.compile(
    rf"{_SAYS}(?:({_LOWER_NAME}(?: {_LOWER_NAME}){{0,2}})|({_NAMES}))", re.IGNORECASE
)
# Behind these only what is written as one.
_PERHAPS_INTRODUCED = re.compile(
    rf"(?:\bя|\bi am|\bi['’]m|\b(?:eu )?sou(?: [oa])?|\baqui é [oa]|\bquem (?:fala|escreve) é(?: [oa])?|\bфио|"
    rf"\bс уважением,?|\b(?:kind |best )?regards,?|\bsincerely,?|\batenciosamente,?|\babraços,?)"
    rf"\s{_SAYS}({CAPITAL_NAME}(?: {CAPITAL_NAME}){{0,2}})",
    re.IGNORECASE,
)
# A whole name, first thing in a message.
_BEGINS_WITH = re.compile(
    rf"{_GREETING}(?:(?:this is|это|aqui é) ({CAPITAL_NAME}(?: {CAPITAL_NAME}){{1,2}})(?=\s{{0,3}}(?:[,.!;\n]|\Z))"
    rf"|({CAPITAL_NAME}(?: {CAPITAL_NAME}){{1,2}}), {{0,3}}(?=(?:my |мой |meu )?(?:order|заказ|pedido)\b))",
    re.IGNORECASE,
)
_BEGINS_WITH_LOWER = re.compile(
    rf"{_GREETING}i(?: a|['’])m ({_LOWER_NAME})(?=\s{{0,3}}(?:[,.!;\n]|\Z))", re.IGNORECASE
)
_WORD = re.compile(NAME)
_NEXT_WORD = re.compile(rf" ({NAME})")
_BEGINNING = re.compile(r"(?:\A|[.!?:;\n•*«\"“-])\s{0,2}\Z")


@dataclass(frozen=True, kw_only=True)
class Names:
    """In lower case: those left out however they are written, and those left out where they look like names.

    `common` of them the customers also use as words.
    """

    anywhere: frozenset[str] = frozenset()
    capitalised: frozenset[str] = frozenset()
    common: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.anywhere or self.capitalised)

    def places(self, text: str) -> Iterator[Place]:
        """Where a text names the customer."""
        names = self.anywhere | self.capitalised
        if not names:
            return
        for start, end in introduced(text):
            if text[start:end].lower() in names:
                yield start, end
        for name in names:
            found = [one.span() for one in _in_any_case(name).finditer(text)]
            is_common = name in self.common or any(text[start].islower() for start, _ in found)
            yield from (place for place in found if self._is_meant(text, place, name, is_common=is_common))

    def _is_meant(self, text: str, place: Place, name: str, *, is_common: bool) -> bool:
        if name in self.anywhere and name not in _ALSO_WORDS:
            return True
        if text[place[0]].islower():
            return False
        return not (is_common and self._is_of_a_thing(text, place))

    def _is_of_a_thing(self, text: str, place: Place) -> bool:
        """ "Rose Tea"; "Rose tea" where a sentence begins."""
        start, end = place
        following = _NEXT_WORD.match(text, end)
        if following is None or following[1].lower() in self.anywhere | self.capitalised:
            return False
        return following[1][0].isupper() or _BEGINNING.search(text[max(0, start - 3) : start]) is not None


def names_in(texts: Iterable[str]) -> Names:
    """What customers call themselves in these."""
    texts = list(texts)
    anywhere, capitalised = set[str](), set[str]()
    for text, (start, end) in islice(_introductions(texts), _MOST_INTRODUCED):
        is_certain = text[start].islower() and _BEGINS_WITH_LOWER.match(text) is None
        (anywhere if is_certain else capitalised).add(text[start:end].lower())
    common = {name for name in capitalised if any(_says_small(text, name) for text in texts)}
    return Names(
        anywhere=frozenset(anywhere),
        capitalised=frozenset(capitalised),
        common=frozenset(common) | (_ALSO_WORDS & (anywhere | capitalised)),
    )


def _introductions(texts: Iterable[str]) -> Iterator[tuple[str, Place]]:
    """Of each name the first one."""
    known = set[str]()
    for text in texts:
        for start, end in introduced(text):
            if (name := text[start:end].lower()) not in known:
                known.add(name)
                yield text, (start, end)


def _says_small(text: str, name: str) -> bool:
    """As a word that is no name."""
    own = frozenset(introduced(text))
    return any(
        text[one.start()].islower() and one.span() not in own for one in _in_any_case(name).finditer(text)
    )


@lru_cache(maxsize=_CACHED_TEXTS)
def introduced(text: str) -> tuple[Place, ...]:
    """Where each name of one who introduces themselves stands; a conversation is read anew with each question."""
    return tuple(dict.fromkeys(_introduced(text)))


def _introduced(text: str) -> Iterator[Place]:
    for introduction in _INTRODUCTION.finditer(text):
        behind = _AFTER_INTRODUCTION.match(text, introduction.end())
        if behind and behind[1]:
            yield from _small_names(text, *behind.span(1))
        elif behind:
            yield from _own_names(text, *behind.span(2))
    for pattern in (_PERHAPS_INTRODUCED, _BEGINS_WITH, _BEGINS_WITH_LOWER):
        for found in pattern.finditer(text):
            yield from _own_names(text, *found.span(found.lastindex or 0))


def _own_names(text: str, start: int, end: int) -> Iterator[Place]:
    """Up to the first word that is no name."""
    for word in _WORD.finditer(text, start, end):
        said = word[0].lower()
        if said in _PARTICLES and word.start() > start:
            continue
        if not _may_name(said):
            return
        yield word.span()


def _small_names(text: str, start: int, end: int) -> Iterator[Place]:
    """Of words without capitals the first; and others that end like a surname, or that a pause ends."""
    words = list(_WORD.finditer(text, start, end))
    for number, word in enumerate(words):
        if not _may_name(word[0]):
            return
        is_surname = bool(_SURNAME.search(word[0])) or _is_paused(text, word.end())
        if number and not is_surname and not (number == 1 and _is_patronymic_next(words)):
            return
        yield word.span()


def _is_patronymic_next(words: list[re.Match[str]]) -> bool:
    """ "Петрова анна ивановна"."""
    return len(words) == 3 and words[2][0].endswith(("вна", "чна", "ич"))


def _is_paused(text: str, end: int) -> bool:
    following = _NEXT_WORD.match(text, end)
    return following is None or following[1].lower() in _GRAMMAR


def _may_name(word: str) -> bool:
    is_quality = len(word) > 5 and word.endswith(_NO_NAME_ENDINGS)
    return len(word) > 1 and word not in _GRAMMAR and word not in _NO_NAMES and not is_quality


@lru_cache(maxsize=_CACHED_TEXTS)
def _in_any_case(name: str) -> re.Pattern[str]:
    """ "Ивану", "Анной"."""
    if len(name) < LEAST_INFLECTED:
        return re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE)
    stem = name[:-1] if name[-1] in "аяйь" else name
    return re.compile(rf"\b{re.escape(stem)}[а-яё]{{0,3}}\b", re.IGNORECASE)
