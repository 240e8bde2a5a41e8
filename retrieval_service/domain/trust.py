"""Whose word a document is: the business's own, or that of strangers who wrote it a review."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from retrieval_service.domain.links import is_honest

# A source type is that of strangers when one of its words is one of these, alone or with an "s".
_STRANGERS_WORDS = (
    "review comment question ticket message chat conversation discussion forum thread feedback testimonial opinion "
    "rating complaint inquiry enquiry guestbook ugc"
)
STRANGERS = frozenset(_STRANGERS_WORDS.split())
_WORDS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class SourceTrust:
    """By source type. What the tenant lists counts; of all other types the words of their names decide."""

    trusted_types: frozenset[str] = frozenset()
    untrusted_types: frozenset[str] = frozenset()
    own_hosts: frozenset[str] = frozenset()

    def trusts(self, source_type: str) -> bool:
        if source_type in self.untrusted_types:
            return False
        return source_type in self.trusted_types or not is_of_strangers(source_type)

    def url_of(self, source_type: str, url: str) -> str:
        """A stranger's document leads to the business's own pages or nowhere."""
        return url if self.trusts(source_type) or self._is_own(url) else ""

    def _is_own(self, url: str) -> bool:
        if url.startswith("/"):
            return is_honest(url)
        host = urlsplit(url).hostname or "" if is_honest(url, self.own_hosts) else ""
        return any(host == own or host.endswith(f".{own}") for own in self.own_hosts)


def trust_of(
    *, trusted: Sequence[str], untrusted: Sequence[str], domains: Sequence[str], origins: Sequence[str]
) -> SourceTrust:
    """`domains` may be linked to; the pages of `origins` are the business's own too."""
    hosts = {urlsplit(origin).hostname or "" for origin in origins}
    return SourceTrust(
        trusted_types=frozenset(trusted),
        untrusted_types=frozenset(untrusted),
        own_hosts=frozenset(host.lower() for host in (*domains, *hosts) if host),
    )


def is_of_strangers(source_type: str) -> bool:
    words = _WORDS.split(source_type.lower())
    return any(word in STRANGERS or word.removesuffix("s") in STRANGERS for word in words)
