"""Strangers' words as a reader may get them: to the letter, with no link in them that the business does not say too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from retrieval_service.domain.safe_text.links import LinkPolicy, trimmed
from retrieval_service.text.contacts import (
    JOINER,
    MAIL,
    SIGIL_IN_TEXT,
    TELEPHONE_IN_TEXT,
    broken,
    broken_telephone,
    is_telephone,
    without_tail,
)
from retrieval_service.text.hosts import hosts_of

_REST = re.compile(r"[^\s<>\"«»]{0,2000}+")
_SCHEME = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}+:(?=\S)", re.IGNORECASE)


def deadened(text: str, policy: LinkPolicy) -> str:
    """Whatever a program would open is broken by joiners that nobody sees."""

    def unless_known(found: re.Match[str]) -> str:
        return found[0] if policy.knows(found[0]) else broken(found[0])

    def unless_called(found: re.Match[str]) -> str:
        run = without_tail(found[0])
        if not is_telephone(run):
            return found[0]
        known = policy.known_telephone(run)
        rest = run[len(known) :]
        dead = TELEPHONE_IN_TEXT.sub(unless_called, rest) if known else broken_telephone(rest)
        return known + dead + found[0][len(run) :]

    text = "".join(_without_schemes(text, policy))
    text = MAIL.sub(unless_known, text)
    text = SIGIL_IN_TEXT.sub(unless_known, text)
    text = "".join(_without_hosts(text, policy))
    return TELEPHONE_IN_TEXT.sub(unless_called, text)


def _without_schemes(text: str, policy: LinkPolicy) -> Iterator[str]:
    end = 0
    for scheme in _SCHEME.finditer(text):
        if scheme.start() < end:
            continue
        is_kept = not text.startswith("//", scheme.end()) or policy.allows(
            trimmed(_from(text, scheme.start()))
        )
        yield text[end : scheme.end()] + ("" if is_kept else JOINER)
        end = scheme.end()
    yield text[end:]


def _without_hosts(text: str, policy: LinkPolicy) -> Iterator[str]:
    end = 0
    for run, length in hosts_of(text):
        if run.start() < end:
            continue
        address = trimmed(_from(text, run.start()))
        host = run[0][:length]
        is_kept = policy.knows(host) if address == host else policy.allows(address)
        yield text[end : run.start()] + (run[0] if is_kept else broken(run[0]))
        end = run.start() + max(len(run[0]), len(address) if is_kept else 0)
        yield text[run.end() : end]
    yield text[end:]


def _from(text: str, position: int) -> str:
    found = _REST.match(text, position)
    return found[0] if found else ""
