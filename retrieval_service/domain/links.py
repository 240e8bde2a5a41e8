"""Which addresses an answer may show: those of its sources, the tenant's own words and its allowed domains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import SplitResult, unquote, urlsplit

from retrieval_service.domain.fragments import Fragment, Prompt
from retrieval_service.domain.invisible import without_invisible

# What readers' programs make a link of without any scheme, and a text would hardly hold by accident.
_TOP_LEVELS = (
    "com net org info biz test ru su рф рус by kz ua br pt eu uk us de fr es it io me co xyz top shop store site "
    "online club live link click app dev page pro cc tk ml ga gq icu vip win ai tech space website example "
    "nl cn ly gl gd jp kr ca au ch pl cz fi dk gr tr ir il ae sg hk tw vn th nz za mx cl pe ve uy lt lv ee az md gg "
    "fm ws sh sx nu vc am ge mobi zip mov bio wiki blog casino loan bet moscow tatar lol бел укр қаз бг"
)
# Words and countries that end a host only where a path leads on from it: "St.Petersburg/Moscow" and "Node.js/React"
# are none.
_TOP_LEVELS_WITH_PATH = (
    "cash support cloud world news host fun life money today finance dance zone group email center agency media "
    "digital network systems solutions services company ltd inc llc guru ninja rocks red one video games game chat "
    "social press academy school health care fit pizza bar cafe restaurant hotel travel tours taxi buzz best deals "
    "sale gift gifts promo work works run team tools trade market markets credit cards bank gmbh moe men date "
    "review stream download racing party science webcam faith accountant cricket rest monster cyou sbs cfd beauty "
    "hair skin quest boats autos"
)
_WITH_PATH = (
    rf"(?:[a-z]{{2}}(?<!js)(?<!py)(?<!rb)(?<!ts)|{'|'.join(_TOP_LEVELS_WITH_PATH.split())})(?=/[^\s/])"
)
_ENDING = rf"(?:{'|'.join(_TOP_LEVELS.split())}|xn--[a-z0-9-]{{2,59}})(?![\w-])"
DOMAIN = (
    rf"(?:(?:[\w-]{{1,63}}\.){{1,8}}{_ENDING}|(?:[a-z0-9-]{{1,63}}\.){{1,8}}{_WITH_PATH}"
    r"|(?:\d{1,3}\.){3}\d{1,3}(?=[:/]\w))"
)
_IN_TEXT = re.compile(rf"(?:[a-z][a-z0-9+.-]*:(?://)?[^\s<>\"«»]+|{DOMAIN}[^\s<>\"«»]*)", re.IGNORECASE)
_TRAILING = ".,;:!?…'\"*_`|"
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
    """`trusted` are texts of the tenant itself: its contact, its name, its instructions."""

    def __init__(
        self,
        fragments: Iterable[Fragment],
        *,
        allowed_domains: Sequence[str] = (),
        trusted: Iterable[str] = (),
    ) -> None:
        self._domains = frozenset(domain.lower() for domain in allowed_domains)
        self._trusted = frozenset(address for text in trusted for address in addresses(text))
        self._fragments = tuple(fragments)

    def verdict(self, address: str) -> Verdict:
        if not is_honest(address, self._domains):
            return Verdict()
        said = normal_form(address)
        if said in self._trusted or self._is_at_home(address):
            return Verdict(is_free=True)
        return Verdict(numbers=self._numbers.get(said, NOBODY))

    @cached_property
    def _numbers(self) -> Mapping[str, Numbers]:
        """Most answers have no link at all, and none is to wait for this."""
        return _numbers_by_address(self._fragments)

    def _is_at_home(self, address: str) -> bool:
        """Not with another address in it, at which a reader's program might begin its link."""
        scheme, mark, rest = address.partition("://")
        if mark and ("://" in rest or scheme.lower() not in _WEB):
            return False
        parts = _split(address)
        host = (parts.hostname or "") if parts and parts.scheme in _WEB else ""
        return any(host == domain or host.endswith(f".{domain}") for domain in self._domains)


def policy_of(asked: Prompt) -> LinkPolicy:
    """For whatever is made from this prompt."""
    own_words = (asked.fallback_contact, asked.shop_name, asked.instructions)
    return LinkPolicy(asked.fragments, allowed_domains=asked.link_domains, trusted=own_words)


def addresses(text: str) -> frozenset[str]:
    """All that could be opened of a text, in the form in which addresses are compared."""
    return frozenset(normal_form(trimmed(found[0])) for found in _IN_TEXT.finditer(without_invisible(text)))


def normal_form(address: str) -> str:
    """The scheme of the web, the case of the host, a last slash and percent signs make no difference."""
    text = unquote(address.strip())
    scheme, _, rest = text.partition("://")
    host, slash, path = (rest if scheme.lower() in _WEB else text).partition("/")
    return f"{host.lower()}{slash}{path}".rstrip("/")


def trimmed(address: str) -> str:
    """Without the punctuation of the sentence around it; a bracket stays when it was opened inside."""
    while address:
        last = address[-1]
        is_open = (last == ")" and address.count("(") >= address.count(")")) or last not in f"{_TRAILING})]"
        if is_open:
            return address
        address = address[:-1]
    return address


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
    has_scheme = re.match(r"[a-z][a-z0-9+.-]*:(?!\d)", address, re.IGNORECASE)
    try:
        parts = urlsplit(address if has_scheme else f"https://{address}")
        # Reading the port is what finds it wrong.
        return parts if parts.port is None or parts.port else None
    except ValueError:
        return None


def _numbers_by_address(fragments: Iterable[Fragment]) -> Mapping[str, Numbers]:
    found: dict[str, set[int]] = {}
    for fragment in fragments:
        for address in {normal_form(fragment.url), *addresses(f"{fragment.title}\n{fragment.text}")} - {""}:
            found.setdefault(address, set()).add(fragment.number)
    return {address: frozenset(numbers) for address, numbers in found.items()}
