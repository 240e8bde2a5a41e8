"""A summary of search results: a sentence or two and points, each with the numbers of its sources."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from enum import StrEnum

from retrieval_service.domain.fragments import Ending

LEAST_POINTS = 5
MOST_POINTS = 12
MAX_LEAD_SENTENCES = 2
MAX_LEAD = 600
# Two quotes that contradict each other, however long, are told to their ends.
MAX_POINT = 640

_TAG = re.compile(r"<[^<>]*+>")


class Flavour(StrEnum):
    """Where the HTML is to be shown."""

    WEB = "web"
    TELEGRAM = "telegram"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """`html` holds inline elements only (`b`, `i`, `code`, `a`), without the numbers of its sources."""

    html: str
    numbers: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """Without markup."""
        return html.unescape(_TAG.sub("", self.html))


@dataclass(frozen=True, kw_only=True)
class Summary:
    """`lead` may be empty and cite nothing."""

    lead: Statement
    points: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a summarizer wrote: HTML that nobody has looked at yet, and how the writing ended."""

    html: str
    ending: Ending


def plain(text: str, numbers: tuple[int, ...] = ()) -> Statement:
    """A statement whose text is shown as it is."""
    return Statement(html=html.escape(text, quote=False), numbers=numbers)
