"""Which words with dots in them a reader's program opens as an address of the web."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from importlib import resources

# Browsers read these as a full stop inside a host.
DOTS = ".。．｡․﹒"
LABEL = r"[\w-]{1,63}+"
# One dot and label after the other; no host has more of them that matter.
BEHIND_WORD = rf"(?:[{DOTS}]{LABEL}){{1,8}}+"

# A text would hardly hold them behind a full stop by accident.
_CERTAIN_ENDINGS = (
    "com net org info biz test ru su рф рус by kz ua br pt eu uk us de fr es it io me co xyz top shop store site "
    "online club live link click app dev page pro cc tk ml ga gq icu vip win ai tech space website example "
    "nl cn ly gl gd jp kr ca au ch pl cz fi dk gr tr ir il ae sg hk tw vn th nz za mx cl pe ve uy lt lv ee az md gg "
    "fm ws sh sx nu vc am ge mobi zip mov bio wiki blog casino loan bet moscow tatar lol бел укр қаз бг"
)
_CERTAIN = frozenset(_CERTAIN_ENDINGS.split())
# Endings of files, under which nobody can have a domain of their own.
_FILES = frozenset(["py"])
# Names of Telegram's own network.
_TELEGRAM = frozenset(["ton"])
_LATIN = re.compile(r"[a-z0-9-]+")
_SPLIT = re.compile(rf"[{DOTS}]")
_RUN = re.compile(rf"(?<![\w-]){LABEL}(?:[{DOTS}]{LABEL})++")
# Browsers read them in the base of eight and of sixteen too.
_NUMBERS = re.compile(r"0x[0-9a-f]{1,8}|0?[0-9]{1,3}", re.IGNORECASE)
_SMALL_NUMBER = re.compile(r"25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]")
_LEADS_ON = re.compile(r"[:/?#][^\W_]|[/?#]\S")
# Behind these few words with dots are no host.
_PATH = re.compile(r"/[^\s/]|:[0-9]|[?#]\w")


class Likeness(IntEnum):
    """How much a word looks like a host: a possible one may as well be a sentence without a space behind it."""

    NONE = 0
    POSSIBLE = 1
    CERTAIN = 2


Host = tuple[int, Likeness]
"""How many characters of the text that was looked at, and how much they look like it."""
_NO_HOST: Host = (0, Likeness.NONE)


def _read_endings() -> frozenset[str]:
    """Of all registries. The package would parse a hundred times as much, and is slow at it."""
    listed = resources.files("publicsuffixlist") / "public_suffix_list.dat"
    official = listed.read_text("utf-8").partition("===END ICANN DOMAINS===")[0]
    lines = (line.strip() for line in official.splitlines())
    return frozenset(line.rpartition(".")[2] for line in lines if line and not line.startswith("//"))


_ENDINGS = _read_endings() | _TELEGRAM


@lru_cache(maxsize=8_192)
def _likeness(label: str, has_path: bool = False) -> Likeness:
    """Of a host that ends with the label; where a path leads on from it, few words with dots are no host.

    "It is free.It takes a day": a capital letter behind a full stop begins a sentence.
    """
    # Markdown takes an underscore from the edge of a word.
    folded = unicodedata.normalize("NFKC", label).lower().strip("_")
    ending, underscore, _ = folded.partition("_")
    if underscore:
        # An address behind it may be left out, and the mark with it.
        return Likeness.POSSIBLE if ending in _CERTAIN or ending in _ENDINGS else Likeness.NONE
    if folded in _CERTAIN or folded.startswith("xn--"):
        return Likeness.POSSIBLE if label.istitle() and not has_path else Likeness.CERTAIN
    if folded not in _ENDINGS or folded in _FILES:
        return Likeness.NONE
    return Likeness.CERTAIN if has_path and _LATIN.fullmatch(folded) else Likeness.POSSIBLE


def host_in(run: str, following: str) -> Host:
    """The longest host at the beginning of labels with dots between them; `following` is what stands behind."""
    labels = _SPLIT.split(run)
    if likeness := _likeness_of_numbers(labels, following):
        return len(run), likeness
    best, end = _NO_HOST, len(run)
    is_last_of_path = leads_on(following)
    for label in reversed(labels[1:]):
        likeness = _likeness(label, is_last_of_path)
        if likeness is Likeness.CERTAIN:
            return end, likeness
        if likeness and not best[0]:
            best = end, likeness
        end -= 1 + len(label)
        is_last_of_path = False
    return best


def leads_on(following: str) -> bool:
    """Whether a port, a path, a question or a fragment stands behind a host."""
    return _PATH.match(following) is not None


def _likeness_of_numbers(labels: Sequence[str], following: str) -> Likeness:
    """Markdown takes underscores from the edges; four small numbers alone may as well be a version."""
    if len(labels) != 4:
        return Likeness.NONE
    numbers = [unicodedata.normalize("NFKC", label).strip("_") for label in labels]
    if not all(map(_NUMBERS.fullmatch, numbers)):
        return Likeness.NONE
    if _LEADS_ON.match(following):
        return Likeness.CERTAIN
    return Likeness.POSSIBLE if all(map(_SMALL_NUMBER.fullmatch, numbers)) else Likeness.NONE


def hosts_of(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """The words of a text that begin with a host, possible ones too, and where it ends in them."""
    for run in _RUN.finditer(text):
        end, _ = host_in(run[0], text[run.end() : run.end() + 2])
        if end:
            yield run, end


def begins_with_host(text: str) -> bool:
    """Whether it is a host, or one that leads on to a port, a path or a question."""
    run = _RUN.match(text)
    if run is None:
        return False
    end, _ = host_in(run[0], text[run.end() : run.end() + 2])
    return end > 0 and text[end : end + 1] in ("", ":", "/", "?", "#")
