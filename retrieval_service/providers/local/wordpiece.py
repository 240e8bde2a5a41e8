"""WordPiece tokenizer with the rules of bert-base-uncased, in pure Python."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

_SPECIAL_TOKENS = 2
_CONTINUATION = "##"
_LONGEST_WORD = 100
_LONGEST_CACHED_RUN = 64
_CACHED_RUNS = 65_536

# A run ends where a token certainly ends, whatever stands around it: ASCII space or ASCII punctuation.
# Other spaces, other punctuation and ideographs are found inside the run, by `_Folding`.
_RUN = re.compile(r"[!-/:-@\[-`{-~]|[^\t\n\r -/:-@\[-`{-~]+")
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_NOT_CHARACTERS = frozenset({"Cn", "Co", "Cs"})  # a million code points that must not fill the memory
_IDEOGRAPHS = (
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x2A6E0),
    range(0x2A700, 0x2B740),
    range(0x2B740, 0x2B820),
    range(0x2B920, 0x2CEB0),
    range(0x2F800, 0x2FA20),
)


class WordPiece:
    """Text to token ids. User text never yields `[CLS]` or `[SEP]`: brackets are split off first.

    Safe to share between threads.
    """

    def __init__(self, vocabulary: Sequence[str] | Path) -> None:
        """`vocabulary` lists the tokens by id, or is a `vocab.txt` with one token per line."""
        tokens = _read(vocabulary) if isinstance(vocabulary, Path) else vocabulary
        ids = {token: token_id for token_id, token in enumerate(tokens)}
        self._first_id, self._last_id, self._unknown_id = ids["[CLS]"], ids["[SEP]"], ids["[UNK]"]
        self._beginnings = _Pieces((t, i) for t, i in ids.items() if not t.startswith(_CONTINUATION))
        self._continuations = _Pieces(
            (token.removeprefix(_CONTINUATION), token_id)
            for token, token_id in ids.items()
            if token.startswith(_CONTINUATION)
        )
        self._folding = _Folding()
        self._cached_run = lru_cache(_CACHED_RUNS)(self._run)

    def encode(self, text: str, max_tokens: int) -> list[int]:
        """Ids between `[CLS]` and `[SEP]`, at most `max_tokens` with these two; the rest is not read."""
        if max_tokens < _SPECIAL_TOKENS:
            raise ValueError(f"max_tokens is {max_tokens}, below the {_SPECIAL_TOKENS} special tokens")
        ids = islice(chain.from_iterable(self._groups(text)), max_tokens - _SPECIAL_TOKENS)
        return [self._first_id, *ids, self._last_id]

    def count(self, text: str) -> int:
        """Tokens of the whole text, without the two special ones."""
        return sum(map(len, self._groups(text)))

    def is_one_token(self, word: str) -> bool:
        """Whether the vocabulary has the word whole."""
        ids = self._cached_run(word)
        return len(ids) == 1 and ids[0] != self._unknown_id

    def _groups(self, text: str) -> Iterator[tuple[int, ...]]:
        """Ids of a run or of a word, in the order of the text, made as they are asked for."""
        for match in _RUN.finditer(text):
            run = match.group()
            if len(run) <= _LONGEST_CACHED_RUN:
                yield self._cached_run(run)
            else:
                yield from map(self._word, self._words(run))

    def _run(self, run: str) -> tuple[int, ...]:
        return tuple(chain.from_iterable(map(self._word, self._words(run))))

    def _words(self, run: str) -> list[str]:
        return run.translate(self._folding).split()

    def _word(self, word: str) -> tuple[int, ...]:
        """Greedy longest pieces from the left; one misfit makes the whole word unknown."""
        if len(word) > _LONGEST_WORD:
            return (self._unknown_id,)
        ids: list[int] = []
        pieces, start = self._beginnings, 0
        while start < len(word):
            end = pieces.longest_match(word, start)
            if end == start:
                return (self._unknown_id,)
            ids.append(pieces[word[start:end]])
            pieces, start = self._continuations, end
        return tuple(ids)


class _Pieces(dict[str, int]):
    """Ids by piece, and how long a piece with a given first character can be: most lookups are spared."""

    def __init__(self, ids: Iterable[tuple[str, int]]) -> None:
        super().__init__(ids)
        self._reach: dict[str, int] = {}
        for piece in filter(None, self):
            self._reach[piece[0]] = max(len(piece), self._reach.get(piece[0], 0))

    def longest_match(self, word: str, start: int) -> int:
        """Where the longest piece at `start` ends; `start` itself when none fits."""
        end = min(len(word), start + self._reach.get(word[start], 0))
        while end > start and word[start:end] not in self:
            end -= 1
        return end


class _Folding(dict[int, str]):
    """What each character becomes: lower case without accents, punctuation between spaces.

    One character at a time, because normalising a whole text is quadratic in a long row of accents and
    `str.lower` of a whole word makes a final sigma, which the model's own tokenizer does not.
    """

    def __missing__(self, code_point: int) -> str:
        character = chr(code_point)
        folded = _fold(character)
        if unicodedata.category(character) not in _NOT_CHARACTERS:
            self[code_point] = folded
        return folded


def _read(path: Path) -> list[str]:
    # Not `splitlines`: only a line feed ends a token.
    return path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")


def _fold(character: str) -> str:
    if _is_space(character):
        return " "
    if character == "\N{REPLACEMENT CHARACTER}" or unicodedata.category(character).startswith("C"):
        return ""
    decomposed = unicodedata.normalize("NFD", character)
    bare = "".join(c for c in decomposed if unicodedata.category(c) != "Mn").lower()
    return "".join(f" {c} " if _stands_alone(c) else c for c in bare)


def _is_space(character: str) -> bool:
    return character in "\t\n\r" or unicodedata.category(character) in {"Zs", "Zl", "Zp"}


def _stands_alone(character: str) -> bool:
    return (
        character in _ASCII_PUNCTUATION
        or unicodedata.category(character).startswith("P")
        or any(ord(character) in block for block in _IDEOGRAPHS)
    )
