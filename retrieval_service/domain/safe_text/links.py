"""Which addresses an answer may show: those of its sources, the tenant's own words and its allowed domains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import SplitResult, unquote, urlsplit

from retrieval_service.domain.fragments import Fragment, Prompt
from retrieval_service.text.contacts import (
    MAIL,
    contacts_of,
    country_of,
    digits_at,
    ends_of,
    folded,
    forms_of,
    is_telephone,
    telephones_of,
)
from retrieval_service.text.hosts import hosts_of
from retrieval_service.text.invisible import without_invisible

_MAX_ADDRESS = 2_000
_BEHIND_HOST = re.compile(rf"[^\s<>\"«»]{{0,{_MAX_ADDRESS}}}+")
_WITH_SCHEME = re.compile(
    rf"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{{0,30}}+:(?://)?[^\s<>\"«»]{{1,{_MAX_ADDRESS}}}+", re.IGNORECASE
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,30}:(?!\d)", re.IGNORECASE)
# Marks of Markdown, and characters by their name or number, end an address for one program and not for another.
_PARTS = re.compile(r"[*|]|&(?:#|[A-Za-z]{2,31};)")
_TRAILING = frozenset(".,;:!?…'\"*_`|]")
_WEB = ("http", "https")
_SPOKEN = ("mailto", "tel")
_LATIN_HOST = re.compile(r"[a-z0-9.-]+(?::[0-9]{1,5})?")
_CYRILLIC_HOST = re.compile(
    r"[а-яё0-9.-]+\.(?:рф|рус|бел|қаз|укр|бг|мон|срб|москва|дети|онлайн|сайт|орг|ком)(?::[0-9]{1,5})?"
)

Numbers = frozenset[int]
NOBODY: Numbers = frozenset()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`is_free` without condition; otherwise where one of these fragments is cited, never when there are none."""

    is_free: bool = False
    numbers: Numbers = NOBODY


class LinkPolicy:
    """`trusted` are texts of the tenant itself: its contact, its name, its instructions.

    What strangers write into a fragment that is not trusted allows nothing; the fragment's own address does.
    """

    def __init__(
        self,
        fragments: Iterable[Fragment],
        *,
        allowed_domains: Sequence[str] = (),
        trusted: Iterable[str] = (),
    ) -> None:
        self._domains = frozenset(domain.lower() for domain in allowed_domains)
        self._own_words = tuple(trusted)
        self._fragments = tuple(fragments)

    def verdict(self, address: str) -> Verdict:
        if not is_honest(address, self._domains):
            return Verdict()
        said = normal_form(address)
        if said in self._trusted or self._is_at_home(address):
            return Verdict(is_free=True)
        return Verdict(numbers=self._numbers.get(said, NOBODY))

    def allows(self, address: str) -> bool:
        """Whether the address may be shown, wherever its sources are cited."""
        verdict = self.verdict(address)
        return verdict.is_free or bool(verdict.numbers)

    def knows(self, contact: str) -> bool:
        """Whether the tenant or a trusted source says this mail address, name, tag, command or mere host."""
        said = folded(contact)
        host = said.rpartition("@")[2] if "@" in said[1:] else said
        return said in self._contacts or normal_form(contact) in self._numbers or self._is_domain(host)

    def knows_telephone(self, telephone: str) -> bool:
        return not self._telephones.isdisjoint(forms_of(telephone))

    def known_telephone(self, run: str) -> str:
        """How much of these digits, from the first one, is a number of the shop's; "" when nothing is."""
        return next((run[:end] for end in ends_of(run) if self.knows_telephone(run[:end])), "")

    def is_contact(self, text: str) -> bool:
        """Whether it is a mail address or a telephone number of the shop's, and nothing else."""
        if MAIL.fullmatch(text):
            return self.knows(text)
        return is_telephone(text) and digits_at(text, 0) == text and self.knows_telephone(text)

    @cached_property
    def _trusted(self) -> frozenset[str]:
        return frozenset(address for text in self._own_words for address in addresses(text))

    @cached_property
    def _numbers(self) -> Mapping[str, Numbers]:
        """Most answers have no link at all, and none is to wait for this."""
        return _numbers_by_address(self._fragments)

    @cached_property
    def _contacts(self) -> frozenset[str]:
        return frozenset(contact for text in self._trusted_texts() for contact in contacts_of(text))

    @cached_property
    def _telephones(self) -> frozenset[str]:
        """A shop that writes one country's code anywhere leaves out the same one elsewhere."""
        trusted = [one for one in self._fragments if one.is_trusted]
        languages = {one.language for one in trusted}
        own_language = languages.pop() if len(languages) == 1 else ""
        spoken = [(text, own_language) for text in self._own_words]
        spoken += [(_words_of(one), one.language) for one in trusted]
        country = country_of(text for text, _ in spoken)
        return frozenset(
            form
            for text, language in spoken
            for form in telephones_of(text, language=language, country=country)
        )

    def _trusted_texts(self) -> Iterator[str]:
        yield from self._own_words
        yield from (_words_of(fragment) for fragment in self._fragments if fragment.is_trusted)

    def _is_domain(self, host: str) -> bool:
        return any(host == domain or host.endswith(f".{domain}") for domain in self._domains)

    def _is_at_home(self, address: str) -> bool:
        """Not with another address in it, or behind marks, at which a reader's program might begin its link."""
        scheme, mark, rest = address.partition("://")
        if _PARTS.search(address) or (mark and ("://" in rest or scheme.lower() not in _WEB)):
            return False
        parts = _split(address)
        host = (parts.hostname or "") if parts and parts.scheme in _WEB else ""
        return self._is_domain(host)


def policy_of(asked: Prompt) -> LinkPolicy:
    """For whatever is made from this prompt."""
    own_words = (asked.fallback_contact, asked.shop_name, asked.instructions)
    return LinkPolicy(asked.fragments, allowed_domains=asked.link_domains, trusted=own_words)


def addresses(text: str) -> frozenset[str]:
    """All that could be opened of a text, in the form in which addresses are compared."""
    return frozenset(normal_form(trimmed(found)) for found in _addresses(without_invisible(text)))


def _addresses(text: str) -> Iterator[str]:
    for found in _WITH_SCHEME.finditer(text):
        yield found[0]
    end = 0
    for run, length in hosts_of(text):
        if run.start() < end:
            continue
        behind = _BEHIND_HOST.match(text, run.start() + length)
        end = behind.end() if behind else run.end()
        yield text[run.start() : end]


def normal_form(address: str) -> str:
    """The scheme of the web, the case of the host, a last slash, percent signs and `&amp;` make no difference."""
    text = unquote(address.strip()).replace("&amp;", "&")
    scheme, _, rest = text.partition("://")
    host, slash, path = (rest if scheme.lower() in _WEB else text).partition("/")
    return f"{host.lower()}{slash}{path}".rstrip("/")


def trimmed(address: str) -> str:
    """Without the punctuation of the sentence around it; a bracket stays when it was opened inside."""
    unopened = address.count(")") - address.count("(")
    end = len(address)
    while end and (address[end - 1] in _TRAILING or (address[end - 1] == ")" and unopened > 0)):
        end -= 1
        unopened -= address[end] == ")"
    return address[:end]


def usable(address: str) -> str:
    """As a browser wants it: models write "&" as HTML does, and brackets would be taken for a citation's."""
    return address.replace("&amp;", "&").replace("[", "%5B").replace("]", "%5D")


def is_honest(address: str, domains: frozenset[str] = frozenset()) -> bool:
    """Whether it leads where it seems to: no code, no user name, no look-alike letters in the host."""
    if any(character in address for character in "\\<>\"'`") or without_invisible(address) != address:
        return False
    if address.startswith("/"):
        return not address.startswith("//")
    parts = _split(address)
    if parts is None or parts.scheme not in (*_WEB, *_SPOKEN):
        return False
    return parts.scheme in _SPOKEN or _is_honest_host(parts, domains)


def _is_honest_host(parts: SplitResult, domains: frozenset[str]) -> bool:
    host = parts.netloc.lower()
    if not host or "@" in unquote(host):
        return False
    if any(host == domain or host.endswith(f".{domain}") for domain in domains):
        return True
    is_one_script = _LATIN_HOST.fullmatch(host) or _CYRILLIC_HOST.fullmatch(host)
    return bool(is_one_script) and not any(label.startswith("xn--") for label in host.split("."))


def _split(address: str) -> SplitResult | None:
    """None for what no browser would open; without a scheme it is an address of the web."""
    try:
        parts = urlsplit(address if _SCHEME.match(address) else f"https://{address}")
        # Reading the port is what finds it wrong.
        return parts if parts.port is None or parts.port else None
    except ValueError:
        return None


def _words_of(fragment: Fragment) -> str:
    return f"{fragment.title}\n{fragment.text}"


def _numbers_by_address(fragments: Iterable[Fragment]) -> Mapping[str, Numbers]:
    found: dict[str, set[int]] = {}
    for fragment in fragments:
        said = addresses(_words_of(fragment)) if fragment.is_trusted else frozenset[str]()
        for address in {normal_form(fragment.url), *said} - {""}:
            found.setdefault(address, set()).add(fragment.number)
    return {address: frozenset(numbers) for address, numbers in found.items()}
