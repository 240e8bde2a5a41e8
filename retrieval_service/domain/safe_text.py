"""Text of a model as a reader may get it: no HTML, no images, no hidden characters, no links from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

from retrieval_service.domain.invisible import VisibleText
from retrieval_service.domain.links import DOMAIN, LinkPolicy, trimmed

_MAX_TAG = 2_000
_MAX_TITLE = 300
_MAX_ADDRESS = 2_000
# How far behind a link the citation may stand that allows it.
_MAX_SENTENCE = 400

_BLANKS = " \t\u00a0"
_IN_ADDRESS = r"[^\s<>\[\]\"«»]"
_PLAIN = re.compile(r"\w+|[^\w\s<\[!(.:]+|.", re.DOTALL)
_SPACES = re.compile(rf"[{_BLANKS}]+")

_TAG = re.compile(rf"<!--.{{0,{_MAX_TAG}}}?-->|<(?!!--)[a-zA-Z/!?][^<>]{{0,{_MAX_TAG}}}+>", re.DOTALL)
_UNFINISHED_TAG = re.compile(
    rf"<(?:!(?:-(?:-.{{0,{_MAX_TAG + 2}}})?)?|[a-zA-Z/!?][^<>]{{0,{_MAX_TAG}}})?\Z", re.DOTALL
)
_AUTOLINK = re.compile(rf"<((?:https?://|www\.){_IN_ADDRESS}{{1,{_MAX_ADDRESS}}})>", re.IGNORECASE)
# What may follow a bracket that never was a tag.
_AFTER_LESS = re.compile(r"<[\s\d=-]")

# Quantifiers are possessive: no model's text may keep them busy.
_INNER = rf"\[[^\[\]\n]{{0,{_MAX_TITLE}}}+"
_TITLE = rf"(?:[^\[\]\n]|{_INNER}\]){{0,{_MAX_TITLE}}}+"
_TARGET = rf"(?:[^()\n]|\([^()\n]{{0,{_MAX_TITLE}}}+\)){{0,{_MAX_ADDRESS}}}+"
_LINK = re.compile(rf"!?\[(?P<title>{_TITLE})\]\((?P<target>{_TARGET})\)")
_UNFINISHED_LINK = re.compile(
    rf"!?(?:\[{_TITLE}(?:{_INNER}|\](?:\({_TARGET}(?:\([^()\n]{{0,{_MAX_TITLE}}}+)?)?)?)?\Z"
)
# The first word of a target, when nothing closes it.
_OPEN_TARGET = rf"\((?P<target>(?:(?![()]){_IN_ADDRESS}|\([^()\s]{{0,{_MAX_TITLE}}}+\)){{0,{_MAX_ADDRESS}}}+)"
_OPEN_LINK = re.compile(rf"!?\[(?P<title>{_TITLE})\]{_OPEN_TARGET}")
_BEHIND_NUMBER = re.compile(_OPEN_TARGET)
_UNFINISHED_BEHIND_NUMBER = re.compile(rf"{_OPEN_TARGET}(?:\([^()\s]{{0,{_MAX_TITLE}}}+)?\Z")
_IS_TARGET = re.compile(r"[/\\]|www\.|[a-z][a-z0-9+.-]*:\S", re.IGNORECASE)
_NUMBERS = r"[ ^0-9,;:–-]{1,60}(?:†[^\]】\n]{0,80})?"
_MARKER = re.compile(rf"\[{_NUMBERS}\]")
_MARKER_AT_END = re.compile(rf"[\[【]{_NUMBERS}[\]】]\Z")
_MARKERS = re.compile(rf"(?:[{_BLANKS}]*[\[【]{_NUMBERS}[\]】])+")

_SCHEMES = (
    "https://",
    "http://",
    "www.",
    "ftp://",
    "file://",
    "ws://",
    "wss://",
    "tg://",
    "intent://",
    "tg:",
    "javascript:",
    "vbscript:",
)
# A scheme alone goes too: what follows might complete it.
_ADDRESS = re.compile(
    rf"(?:(?:(?:https?|ftp|file|wss?|tg|intent)://|https?:/?(?={_IN_ADDRESS})|www\.)|(?:(?:java|vb)script|tg):(?={_IN_ADDRESS}))"
    rf"(?P<rest>{_IN_ADDRESS}{{0,{_MAX_ADDRESS}}})",
    re.IGNORECASE,
)
_BEHIND_WORD = re.compile(rf"(?:\.[\w-]{{1,63}}){{1,8}}(?:[:/?#@]{_IN_ADDRESS}*)?|:/{{1,2}}{_IN_ADDRESS}*")
_UNFINISHED_BEHIND_WORD = re.compile(rf"(?:(?:\.[\w-]{{1,63}}){{0,8}}\.|:|{_BEHIND_WORD.pattern})\Z")
_DOMAIN = re.compile(rf"{DOMAIN}(?:[:/?#].*)?", re.IGNORECASE | re.DOTALL)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# What may be an address, and what goes on with one.
_IS_LIKE_ADDRESS = re.compile(r"[./]")
_GROWS = re.compile(r"[\w/?#@:%&=-]")
_PARTS_OF_LIST = re.compile(r"[,;=|]")
_WORD_AT_END = re.compile(r"[^\s<>\[\]()\"«»]*\Z")


class SafeText:
    """Feed a model's text in any pieces; what comes out joined does not depend on the cuts.

    Held back is only what may become a tag, an image or a link, and behind a link of a source what its
    sentence says until it cites that source. Links keep their title, bare addresses vanish with their space.
    `cited` are sources that the text cites as a whole.
    """

    def __init__(self, policy: LinkPolicy, *, cited: Iterable[int] = ()) -> None:
        self._policy = policy
        self._visible = VisibleText()
        self._held = ""
        self._written = _Written()
        self._cited = set(cited)

    def feed(self, text: str) -> str:
        """What can be said after this piece."""
        self._held += self._visible.feed(text)
        return self._read(final=False)

    def finish(self) -> str:
        """The rest; nothing may be fed afterwards."""
        return self._read(final=True)

    def _read(self, *, final: bool) -> str:
        position = 0
        while position < len(self._held):
            end = self._read_token(position, final=final)
            if end == position:
                break
            position = end
        self._held = self._held[position:]
        return self._written.take()

    def _read_token(self, position: int, *, final: bool) -> int:
        """The end of the token at this place, or the place itself when more text must come first."""
        if spaces := _SPACES.match(self._held, position):
            self._written.hold_spaces(spaces[0])
            return spaces.end()
        match self._held[position]:
            case "<":
                return self._read_tag(position, final=final)
            case "!" | "[":
                return self._read_link(position, final=final)
            case "(":
                return self._read_parenthesis(position, final=final)
            case "." | ":":
                return self._read_behind_word(position, final=final)
        return self._read_word(position, final=final)

    def _read_tag(self, position: int, *, final: bool) -> int:
        if link := _AUTOLINK.match(self._held, position):
            return self._read_address(link[1], link[1], position, link.end(), final=final)
        if tag := _TAG.match(self._held, position):
            self._written.part()
            return tag.end()
        if not final and _UNFINISHED_TAG.match(self._held, position):
            return position
        return self._write("<" if _AFTER_LESS.match(self._held, position) else "‹", position + 1)

    def _read_link(self, position: int, *, final: bool) -> int:
        if marker := _MARKER.match(self._held, position):
            self._cited |= numbers_of(marker[0])
            return self._write(marker[0], marker.end())
        if link := _LINK.match(self._held, position):
            address = (link["target"].split() or [""])[0].strip("<>")
            return self._read_markdown(link, address, link.end(), final=final)
        if not final and _UNFINISHED_LINK.match(self._held, position):
            return position
        if link := _OPEN_LINK.match(self._held, position):
            address = trimmed(link["target"])
            if is_target(address):
                end = link.start("target") + len(address)
                return self._read_markdown(link, address, end, final=final)
        is_image = self._held.startswith("![", position) and not _MARKER.match(self._held, position + 1)
        return self._write("" if is_image else self._held[position], position + 1)

    def _read_markdown(self, link: re.Match[str], address: str, end: int, *, final: bool) -> int:
        """An image goes; a link is kept, and closed, or becomes its title."""
        if link[0].startswith("!"):
            is_marker = _MARKER.match(self._held, link.start() + 1)
            return self._write("!", link.start() + 1) if is_marker else self._drop(end)
        is_allowed = self._is_allowed(address, end, final=final)
        if is_allowed is None:
            return link.start()
        title = without_links(link["title"]).strip()
        if is_allowed:
            self._written.write_link(title, address)
            return end
        if not title:
            return self._drop(end)
        self._written.write_title(title)
        return end

    def _read_behind_number(self, position: int, *, final: bool) -> int:
        """The number is said already: an address goes, closed or not; a word that would become one is set apart."""
        if not final and _UNFINISHED_BEHIND_NUMBER.match(self._held, position):
            return position
        target = _BEHIND_NUMBER.match(self._held, position)
        address, end = (trimmed(target["target"]), target.end()) if target else ("", position)
        if not is_target(address):
            return self._write("(" if self._held[end : end + 1].isspace() else " (", position + 1)
        end = end + 1 if self._held.startswith(")", end) else position + 1 + len(address)
        return self._read_address(address, self._held[position:end], position, end, final=final)

    def _read_parenthesis(self, position: int, *, final: bool) -> int:
        """An address in brackets of its own goes with them."""
        if self._written.is_behind_number:
            return self._read_behind_number(position, final=final)
        if not final and (position + 1 == len(self._held) or self._may_be_address(position + 1)):
            return position
        address = _ADDRESS.match(self._held, position + 1)
        bare = trimmed(address[0]) if address else ""
        if bare and self._held.startswith(")", position + 1 + len(bare)):
            return self._read_address(bare, f"({bare})", position, position + 2 + len(bare), final=final)
        return self._write("(", position + 1)

    def _read_word(self, position: int, *, final: bool) -> int:
        if self._written.is_at_word_start:
            if not final and self._may_be_address(position):
                return position
            if address := _ADDRESS.match(self._held, position):
                bare = trimmed(address[0])
                return self._read_address(bare, bare, position, position + len(bare), final=final)
        word = _PLAIN.match(self._held, position)
        end = word.end() if word else position + 1
        return self._write(self._held[position:end], end)

    def _read_address(self, address: str, shown: str, position: int, end: int, *, final: bool) -> int:
        is_allowed = self._is_allowed(address, end, final=final)
        if is_allowed is None:
            return position
        return self._write(shown, end) if is_allowed else self._drop(end)

    def _read_behind_word(self, position: int, *, final: bool) -> int:
        """A word that turns out to be a host keeps its first part, which is already said, and no link."""
        if not final and _UNFINISHED_BEHIND_WORD.match(self._held, position):
            return position
        behind = _BEHIND_WORD.match(self._held, position)
        word = _PARTS_OF_LIST.split(self._written.last_word)[-1]
        rest = trimmed(behind[0]) if behind else ""
        if not word or not rest or not is_host(word + rest):
            return self._write(self._held[position], position + 1)
        end = position + len(rest)
        is_allowed = self._is_allowed(word + rest, end, final=final)
        if is_allowed is None:
            return position
        return self._write(rest if is_allowed else "", end)

    def _may_be_address(self, position: int) -> bool:
        """Whether more text may make an address of what stands here, or a longer one."""
        rest = self._held[position : position + _MAX_TITLE].lower()
        if any(scheme.startswith(rest) for scheme in _SCHEMES):
            return True
        address = _ADDRESS.match(self._held, position)
        return bool(address) and address.end() == len(self._held) and len(address["rest"]) < _MAX_ADDRESS

    def _is_allowed(self, address: str, end: int, *, final: bool) -> bool | None:
        """None while the sentence has not yet cited anything."""
        verdict = self._policy.verdict(address)
        if verdict.is_free or not verdict.numbers or verdict.numbers & self._cited:
            return verdict.is_free or bool(verdict.numbers)
        line, newline, _ = self._held[end:].partition("\n")
        is_open = not newline and not final
        markers = _MARKERS.search(line)
        if markers is None or markers.start() >= _MAX_SENTENCE:
            return None if is_open and len(line) < 2 * _MAX_SENTENCE else False
        is_run_open = is_open and not line[markers.end() :].strip(_BLANKS)
        return None if is_run_open else bool(verdict.numbers & numbers_of(markers[0]))

    def _write(self, text: str, end: int) -> int:
        self._written.write(text)
        return end

    def _drop(self, end: int) -> int:
        self._written.drop_spaces()
        return end


class _Written:
    """What was written, how much of it was taken, and spaces that may vanish with what follows them."""

    def __init__(self) -> None:
        self._text = ""
        self._taken = 0
        self._spaces = ""
        self._is_behind_dropped = False
        self._is_parted = False

    def take(self) -> str:
        said, self._taken = self._text[self._taken :], len(self._text)
        return said

    def hold_spaces(self, spaces: str) -> None:
        """At the start of a line those behind something dropped are nobody's."""
        if not (self._is_behind_dropped and self._text[-1:] in ("", "\n")):
            self._spaces += spaces

    def drop_spaces(self) -> None:
        self._spaces = ""
        self._is_behind_dropped = True

    def write(self, text: str) -> None:
        if text:
            self._text += self._spaces + self._before(text) + text
            self._spaces = ""
            self._is_behind_dropped = False
            self._is_parted = False

    def part(self) -> None:
        """Something was left out here: an address before it must not grow by what comes after it."""
        self._is_parted = True

    def write_title(self, title: str) -> None:
        """Of a link that is left out: an address before it, or a word, must not grow by it to another one."""
        word = self.last_word
        grows = bool(word) and (_IS_LIKE_ADDRESS.search(word) or is_host(word + title.split()[0]))
        self.write(f" {title}" if grows else title)

    def write_link(self, title: str, address: str) -> None:
        self.write(f"[{title}]({address})" if title else address)

    @property
    def is_at_word_start(self) -> bool:
        return bool(self._spaces) or not re.match(r"\w", self._text[-1:])

    @property
    def last_word(self) -> str:
        found = None if self._spaces else _WORD_AT_END.search(self._text[-_MAX_TITLE:])
        return found[0] if found else ""

    @property
    def is_behind_number(self) -> bool:
        return not self._spaces and bool(_MARKER_AT_END.search(self._text[-_MAX_TITLE:]))

    def _before(self, text: str) -> str:
        """A gap where two harmless pieces would make an image, an address or a link's target that nobody checked."""
        is_image = text.startswith("[") and self._text.endswith("!") and not _MARKER.match(text)
        is_target = text.startswith("(") and self._text.endswith("]")
        is_grown = self._is_parted and _GROWS.match(text) and _IS_LIKE_ADDRESS.search(self.last_word)
        is_apart = is_image or is_grown or (is_target and not self.is_behind_number)
        return " " if is_apart and not self._spaces else ""


def made_safe(text: str, policy: LinkPolicy, *, cited: Iterable[int] = ()) -> str:
    """A whole text at once; see `SafeText`."""
    safe = SafeText(policy, cited=cited)
    return safe.feed(text) + safe.finish()


def without_links(text: str) -> str:
    """A whole text, with no address left in it that a reader's program would open."""
    return made_safe(text, LinkPolicy(()))


def numbers_of(markers: str) -> set[int]:
    return {int(number) for number in re.findall(r"[0-9]{1,3}", markers)}


def is_target(text: str) -> bool:
    """Whether it leads somewhere behind the title of a link, where a path does so too."""
    return bool(_IS_TARGET.match(text)) or is_host(text)


def is_host(text: str) -> bool:
    """Whether a reader's program opens it as an address of the web; of mail is fine."""
    is_mail = _MAIL.fullmatch(text)
    parts = (part.lstrip("/") for part in text.split("@"))
    is_written_out = "://" in text or text.lower().startswith("www.")
    return is_written_out or (not is_mail and any(_DOMAIN.fullmatch(part) for part in parts))
