"""Every regular expression of the program, and texts made of it: what almost fits, again and again."""

from __future__ import annotations

import re
import re._constants as codes
import re._parser as parser
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.text_trials.families import Family
from tests.text_trials.finding import Thunk, Trial, modules

# Of the ways through a pattern's alternatives, and of the beginnings of what fits.
_WAYS = 4
_MOST_BEGINNINGS = 16
_REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}
_OF_CATEGORY = {
    codes.CATEGORY_DIGIT: "1",
    codes.CATEGORY_NOT_DIGIT: "a",
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_SPACE: "a",
    codes.CATEGORY_WORD: "a",
    codes.CATEGORY_NOT_WORD: ".",
}
_ANYTHING = "a1 .\n-,:[<*_A\"'#/(я0é"


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """`name` is that of the module and of what holds it there; some are only asked at one place of a text."""

    name: str
    compiled: re.Pattern[str]
    is_searched: bool


def patterns() -> Iterator[Pattern]:
    """Those that modules keep, private ones too; one inside a function is tried through the function."""
    known = set[tuple[str, int]]()
    for module in modules():
        for name, thing in sorted(vars(module).items()):
            for one in _held(thing):
                if (one.pattern, one.flags) not in known:
                    known.add((one.pattern, one.flags))
                    yield Pattern(
                        name=f"{module.__name__}.{name}", compiled=one, is_searched=_is_searched(module, name)
                    )


def _is_searched(module: ModuleType, name: str) -> bool:
    """By how the sources call it, for a private one those of its own module; one that is handed around is."""
    source = _source(module) if name.startswith("_") else "".join(map(_source, modules()))
    uses = set(re.findall(rf"\b{name}\.(\w+)\(", source))
    return not uses or not uses <= {"match", "fullmatch"}


@cache
def _source(module: ModuleType) -> str:
    return Path(module.__file__ or "").read_text()


def trial_of(pattern: Pattern) -> Trial:
    compiled = pattern.compiled

    def prepare(text: str) -> Thunk:
        if not pattern.is_searched:
            return lambda: (compiled.match(text), compiled.fullmatch(text))
        return lambda: deque(compiled.finditer(text), maxlen=0)

    return Trial(name=pattern.name, prepare=prepare)


def families_of(pattern: Pattern) -> Iterator[Family]:
    """What fits and each beginning of it, repeated; and what fits with each of its repeats endlessly long."""
    tree = parser.parse(pattern.compiled.pattern, pattern.compiled.flags)
    fitting = dict.fromkeys(_Writer(way=way).write(tree) for way in range(_WAYS))
    ends = (one[:end] for one in fitting for end in range(1, min(len(one), _MOST_BEGINNINGS) + 1))
    for unit in dict.fromkeys([*ends, *fitting]):
        if unit:
            yield Family(name=repr(unit), write=lambda size, unit=unit: unit * max(1, size // len(unit)))
    for way in range(_WAYS):
        for place in range(_repeats(tree, way)):
            yield Family(name=f"way {way}, repeat {place}", write=_stretching(tree, way, place))


def _stretching(tree: Any, way: int, place: int) -> Callable[[int], str]:
    return lambda size: _Writer(way=way, stretched=place, size=size).write(tree, is_cut=True)


def _repeats(tree: Any, way: int) -> int:
    writer = _Writer(way=way)
    writer.write(tree)
    return writer.seen


@dataclass(kw_only=True)
class _Writer:
    """Writes what fits a pattern; the repeat that is `stretched` gets `size` characters, and nothing behind it."""

    way: int
    stretched: int = -1
    size: int = 0
    seen: int = 0
    is_over: bool = False

    def write(self, tree: Any, *, is_cut: bool = False) -> str:
        written: list[str] = []
        for code, argument in tree:
            if is_cut and self.is_over:
                break
            written.append(self._one(code, argument))
        return "".join(written)

    def _one(self, code: Any, argument: Any) -> str:
        if code in _REPEATS:
            return self._repeat(*argument)
        if code is codes.BRANCH:
            branches = argument[1]
            return self.write(branches[self.way % len(branches)])
        if code is codes.SUBPATTERN:
            return self.write(argument[-1])
        if code is codes.ATOMIC_GROUP:
            return self.write(argument)
        if code is codes.GROUPREF_EXISTS:
            return self.write(argument[1])
        return _character(code, argument)

    def _repeat(self, least: int, most: Any, tree: Any) -> str:
        place, self.seen = self.seen, self.seen + 1
        once = self.write(tree)
        if place == self.stretched:
            self.is_over = True
            return once * (self.size // max(1, len(once)))
        return once * max(least, min(int(most), 1 + self.way % 2))


def _character(code: Any, argument: Any) -> str:
    if code is codes.LITERAL:
        return chr(argument)
    if code is codes.NOT_LITERAL:
        return next(one for one in _ANYTHING if ord(one) != argument)
    if code is codes.ANY:
        return "a"
    return _member(argument) if code is codes.IN else ""


def _member(choices: Sequence[tuple[Any, Any]]) -> str:
    if choices[0][0] is codes.NEGATE:
        return next((one for one in _ANYTHING if not any(_has(choice, one) for choice in choices[1:])), "")
    code, argument = choices[0]
    if code is codes.CATEGORY:
        return _OF_CATEGORY[argument]
    return chr(argument if code is codes.LITERAL else argument[0])


def _has(choice: tuple[Any, Any], one: str) -> bool:
    code, argument = choice
    if code is codes.LITERAL:
        return ord(one) == argument
    if code is codes.RANGE:
        return argument[0] <= ord(one) <= argument[1]
    is_word = one.isalnum() or one == "_"
    kinds = {
        codes.CATEGORY_DIGIT: one.isdigit(),
        codes.CATEGORY_NOT_DIGIT: not one.isdigit(),
        codes.CATEGORY_SPACE: one.isspace(),
        codes.CATEGORY_NOT_SPACE: not one.isspace(),
        codes.CATEGORY_WORD: is_word,
        codes.CATEGORY_NOT_WORD: not is_word,
    }
    return kinds[argument]


def _held(thing: Any) -> Iterator[re.Pattern[str]]:
    if isinstance(thing, re.Pattern) and isinstance(thing.pattern, str):
        yield thing
    elif isinstance(thing, dict):
        yield from (one for value in thing.values() for one in _held(value))
    elif isinstance(thing, list | tuple | frozenset | set):
        yield from (one for value in thing for one in _held(value))
