"""Text of a model as a reader may get it: no HTML, no images, no hidden characters, no links from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

from retrieval_service.domain.safe_text.citation_markers import MAX_MARKER, UNFINISHED, marker_at, numbers_of
from retrieval_service.domain.safe_text.escapes import UnescapedNames
from retrieval_service.domain.safe_text.held_text import HeldText
from retrieval_service.domain.safe_text.links import LinkPolicy, trimmed, usable
from retrieval_service.domain.safe_text.written_text import INLINE_MARKS, WrittenText
from retrieval_service.text import contacts
from retrieval_service.text.hosts import BEHIND_WORD, DOTS, Likeness, begins_with_host, host_in, leads_on
from retrieval_service.text.invisible import VisibleText

# Each look ahead is bounded by one of these, and what it fails on is not looked at again.
_MAX_TAG = 2_000
_MAX_TITLE = 200
_MAX_TARGET = 600
_MAX_ADDRESS = 2_000
_MAX_BEHIND_WORD = 600
# How far behind a link the citation may stand that allows it.
_MAX_SENTENCE = 400

_BLANKS = " \t\u00a0"
_IN_ADDRESS = r"[^\s<>\[\]\"«»]"
# Of a question, "a[]=1", which no marker of a citation looks like.
_KEY = r"\[[\w-]{0,30}+\]"
_PART_OF_ADDRESS = rf"(?:{_IN_ADDRESS}|(?:{_KEY}){{1,3}}+(?==))"
_UNFINISHED_KEY = re.compile(rf"(?:{_KEY}){{0,3}}+(?:\[[\w-]{{0,30}}+)?\Z")
_OUT_OF_ADDRESS = re.compile(r"[\s<>\[\]\"«»]")
_OUT_OF_LABEL = re.compile(r"[^\w-]")
_SPECIAL = rf"<\[【!(:&{DOTS}{contacts.SIGILS}{contacts.PLUS}"
# Marks of Markdown come by themselves, for what follows them is looked at together with what stands before them.
_MARKS = re.escape(INLINE_MARKS)
_PLAIN = re.compile(rf"[^\W_]+|[{_MARKS}]+|[^\w\s{re.escape(_SPECIAL)}{_MARKS}\]]+|.", re.DOTALL)
_SPACES = re.compile(rf"[{_BLANKS}]+")
_REST_OF_ADDRESS = re.compile(rf"{_IN_ADDRESS}*+")

_TAG = re.compile(rf"<[a-zA-Z/!?][^<>]{{0,{_MAX_TAG}}}+>")
_UNFINISHED_TAG = re.compile(rf"<(?:[a-zA-Z/!?][^<>]{{0,{_MAX_TAG}}}+)?\Z")
_ENDS_TAG = re.compile("[<>]")
_COMMENT = "<!--"
_AUTOLINK = re.compile(rf"<((?:https?://|www\.){_PART_OF_ADDRESS}{{1,{_MAX_ADDRESS}}}+)>", re.IGNORECASE)
_SPOKEN_AUTOLINK = re.compile(rf"<({_IN_ADDRESS}{{1,{_MAX_TITLE}}}+)>")
# What may follow a bracket that never was a tag.
_AFTER_LESS = re.compile(r"<[\s\d=-]")

# Quantifiers are possessive: no model's text may keep them busy.
_IN_TITLE = r"(?:[^\[\]\n]|\[[^\[\]\n]*+\])*+"
_TITLE = re.compile(rf"!?\[({_IN_TITLE})\]")
_UNFINISHED_TITLE = re.compile(rf"!?(?:\[{_IN_TITLE}(?:\[[^\[\]\n]*+)?)?\Z")
_IN_TARGET = r"(?:[^()\n]|\([^()\n]*+\))*+"
_TARGET = re.compile(rf"\(({_IN_TARGET})\)")
_UNFINISHED_TARGET = re.compile(rf"\({_IN_TARGET}(?:\([^()\n]*+)?\Z")
_ENDS_LINK = re.compile(r"[\[\]()\n]")
# The first word of a target, when nothing closes it.
_IN_OPEN_TARGET = rf"(?:(?![()]){_IN_ADDRESS}|\([^()\s]*+\))*+"
_OPEN_TARGET = re.compile(rf"\(({_IN_OPEN_TARGET})")
_UNFINISHED_OPEN_TARGET = re.compile(rf"\({_IN_OPEN_TARGET}(?:\([^()\s]*+)?\Z")
_ENDS_OPEN_TARGET = re.compile(r"[\s<>\[\]\"«»()]")
_IS_TARGET = re.compile(r"[/\\]|www\.|[a-z][a-z0-9+.-]{0,30}:\S", re.IGNORECASE)

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
_LONGEST_SCHEME = max(map(len, _SCHEMES))
# A scheme alone goes too: what follows might complete it.
_ADDRESS = re.compile(
    rf"(?:(?:(?:https?|ftp|file|wss?|tg|intent)://|https?:/?(?={_IN_ADDRESS})|www\.)|(?:(?:java|vb)script|tg):(?={_IN_ADDRESS}))"
    rf"(?P<rest>{_PART_OF_ADDRESS}{{0,{_MAX_ADDRESS}}}+)",
    re.IGNORECASE,
)
_BEHIND_SCHEME = re.compile(rf"://{_PART_OF_ADDRESS}{{0,{_MAX_ADDRESS}}}+")
_BEHIND_WORD = re.compile(BEHIND_WORD)
_PATH = re.compile(rf"[:/?#@]{_PART_OF_ADDRESS}{{0,{_MAX_ADDRESS}}}+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});")
_UNFINISHED_ENTITY = re.compile(r"&(?:#(?:[0-9]{0,8}|[xX][0-9a-fA-F]{0,8})|[A-Za-z][A-Za-z0-9]{0,31})?\Z")
_MAX_ENTITY = 34
_OUT_OF_ENTITY = re.compile(r"[^A-Za-z0-9#]")
# They stand for what parts words.
_HARMLESS_ENTITIES = frozenset(
    [
        "amp",
        "lt",
        "gt",
        "quot",
        "apos",
        "nbsp",
        "laquo",
        "raquo",
        "ldquo",
        "rdquo",
        "lsquo",
        "rsquo",
        "bdquo",
        "mdash",
        "ndash",
        "hellip",
        "bull",
        "middot",
        "euro",
        "pound",
        "cent",
        "copy",
        "reg",
        "trade",
        "sect",
        "deg",
        "times",
        "divide",
        "plusmn",
        "frac12",
        "frac14",
        "frac34",
    ]
)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


class SafeText:
    """Feed a model's text in any pieces; what comes out joined does not depend on the cuts.

    Held back is only what may become a tag, an image, a link or a telephone number, and behind a link of a source
    what its sentence says until it cites that source. Links keep their title, bare addresses vanish with their
    space; what merely looks like an address, and contacts that nobody trusted names, are broken so that no program
    makes links of them. `cited` are sources that the text cites as a whole.
    """

    def __init__(self, policy: LinkPolicy, *, cited: Iterable[int] = ()) -> None:
        self._policy = policy
        self._visible = VisibleText()
        self._unescaped = UnescapedNames()
        self._held = HeldText()
        self._written = WrittenText()
        self._cited = set(cited)
        self._drops_address = False

    def feed(self, text: str) -> str:
        """What can be said after this piece."""
        is_worth_it = self._held.add(self._unescaped.feed(self._visible.feed(text)))
        return self._read(final=False) if is_worth_it else ""

    def finish(self) -> str:
        """The rest; nothing may be fed afterwards."""
        self._held.add(self._unescaped.finish())
        self._held.collect()
        return self._read(final=True)

    def _read(self, *, final: bool) -> str:
        position = 0
        self._held.wait_for_anything()
        while position < len(self._held.text):
            end = self._read_token(position, final=final)
            if end == position:
                break
            position = end
        self._held.drop_until(position)
        if final:
            self._written.finish()
        return self._written.take()

    def _read_token(self, position: int, *, final: bool) -> int:
        """The end of the token at this place, or the place itself when more text must come first."""
        text = self._held.text
        if self._drops_address:
            return self._drop_rest(position)
        if spaces := _SPACES.match(text, position):
            self._written.hold_spaces(spaces[0])
            return spaces.end()
        if self._is_joint_open(position, final=final):
            return position
        first = text[position]
        if first == "<":
            return self._read_tag(position, final=final)
        if first in "![【":
            return self._read_link(position, final=final)
        if first == "(":
            return self._read_parenthesis(position, final=final)
        if first in DOTS:
            return self._read_dot(position, final=final)
        if first == ":":
            return self._read_colon(position, final=final)
        if first == "&":
            return self._read_entity(position, final=final)
        if first in contacts.SIGILS:
            return self._read_sigil(position, final=final)
        if first in contacts.PLUS or first.isdecimal():
            return self._read_number(position, final=final)
        return self._read_word(position, final=final)

    def _is_joint_open(self, position: int, *, final: bool) -> bool:
        """Whether more must come before it is known if this may touch what stands before something left out."""
        following = self._held.text[position : position + contacts.MAX_TELEPHONE]
        if not final and self._written.needs_more(following):
            return True
        self._written.settle(following)
        return False

    def _hold(self, position: int, wakes: re.Pattern[str], room: int) -> int:
        """Until one of these characters comes, or as many as decide without them."""
        self._held.wait_for(wakes, room=room)
        return position

    def _drop_rest(self, position: int) -> int:
        """Of an address that is longer than any look ahead."""
        rest = _REST_OF_ADDRESS.match(self._held.text, position)
        end = rest.end() if rest else position
        if end < len(self._held.text):
            self._drops_address = False
        return self._drop(end) if end > position else self._read_token(position, final=False)

    def _read_tag(self, position: int, *, final: bool) -> int:
        text = self._held.text
        if link := _AUTOLINK.match(text, position):
            return self._read_autolink(usable(link[1]), position, link.end(), final=final)
        spoken = _SPOKEN_AUTOLINK.match(text, position)
        if spoken and (contact := self._contact_in(spoken[1]) or self._contact_in(f"mailto:{spoken[1]}")):
            self._written.write_contact(contact)
            return spoken.end()
        if text.startswith(_COMMENT, position):
            return self._read_comment(position, final=final)
        if tag := _TAG.match(text, position):
            self._written.part()
            return tag.end()
        if not final and _UNFINISHED_TAG.match(text, position):
            return self._hold(position, _ENDS_TAG, _MAX_TAG + 2)
        return self._write("<" if _AFTER_LESS.match(text, position) else "‹", position + 1)

    def _read_autolink(self, address: str, position: int, end: int, *, final: bool) -> int:
        """Its brackets go, so a gap must part it from what touched them."""
        is_allowed = self._is_allowed(address, position, end, final=final)
        if is_allowed is None:
            return position
        if not is_allowed:
            return self._drop(end)
        self._written.write_contact(address)
        return end

    def _read_comment(self, position: int, *, final: bool) -> int:
        text, begin = self._held.text, position + len(_COMMENT)
        end = text.find("-->", begin, begin + _MAX_TAG + 3)
        if end >= 0:
            self._written.part()
            return end + 3
        if not final and len(text) < begin + _MAX_TAG + 3:
            return self._hold(position, _ENDS_TAG, _MAX_TAG + len(_COMMENT) + 3)
        return self._write("‹", position + 1)

    def _read_link(self, position: int, *, final: bool) -> int:
        text = self._held.text
        if marker := marker_at(text, position):
            self._cited |= {*numbers_of(marker)}
            self._written.write_marker(marker[0])
            return marker.end()
        if text[position] == "【":
            if not final and UNFINISHED.match(text, position):
                return position
            return self._write("【", position + 1)
        title = _TITLE.match(text, position, position + _MAX_TITLE)
        if title and title.end() < len(text):
            return self._read_titled(title, final=final)
        may_grow = title or _UNFINISHED_TITLE.match(text, position)
        if not final and may_grow and len(text) - position < _MAX_TITLE:
            # Behind a title, or a mark that may be an image's, any character decides.
            is_next_enough = title or text[position:] == "!"
            return position if is_next_enough else self._hold(position, _ENDS_LINK, _MAX_TITLE)
        return self._write_bracket(position)

    def _read_titled(self, title: re.Match[str], *, final: bool) -> int:
        text, position, end = self._held.text, title.start(), title.end()
        if text[end] != "(":
            return self._write_bracket(position)
        if target := _TARGET.match(text, end, end + _MAX_TARGET):
            address = (target[1].split(maxsplit=1) or [""])[0].strip("<>")
            return self._read_markdown(title, address, target.end(), final=final)
        is_short = len(text) - end < _MAX_TARGET
        if not final and is_short and _UNFINISHED_TARGET.match(text, end):
            return self._hold(position, _ENDS_LINK, end - position + _MAX_TARGET)
        target = _OPEN_TARGET.match(text, end, end + _MAX_ADDRESS)
        address = trimmed(target[1]) if target else ""
        if is_target(address):
            return self._read_markdown(title, address, end + 1 + len(address), final=final)
        return self._write_bracket(position)

    def _write_bracket(self, position: int) -> int:
        """What is no link is text; the mark of an image goes all the same."""
        text = self._held.text
        is_image = text.startswith("![", position) and not marker_at(text, position + 1)
        return self._write("" if is_image else text[position], position + 1)

    def _read_markdown(self, title: re.Match[str], address: str, end: int, *, final: bool) -> int:
        """An image goes; a link is kept, and closed, or becomes its title."""
        position = title.start()
        if title[0].startswith("!"):
            is_marker = marker_at(title[0], 1)
            return self._write("!", position + 1) if is_marker else self._drop(end)
        if contact := self._contact_in(address):
            return self._write_spoken(title[1], contact, end)
        address = usable(address)
        is_allowed = self._is_allowed(address, position, end, final=final)
        if is_allowed is None:
            return position
        words = without_links(title[1]).strip()
        if is_allowed:
            self._written.write_link(words, address)
            return end
        if not words:
            return self._drop(end)
        self._written.write_title(words)
        return end

    def _contact_in(self, address: str) -> str:
        """What the shop itself has given of a mail address or a telephone number to be opened, else ""."""
        contact = contacts.spoken_in(address)
        return contact if self._policy.is_contact(contact) else ""

    def _write_spoken(self, title: str, contact: str, end: int) -> int:
        """In full, for not every reader's program opens it."""
        said = title.strip(f"{_BLANKS}{INLINE_MARKS}")
        if self._policy.is_contact(said):
            self._written.write_contact(said)
            return end
        if words := without_links(title).strip():
            self._written.write_title(words)
            self._written.hold_spaces(" ")
        self._written.write_contact(f"({contact})" if words else contact)
        return end

    def _read_behind_number(self, position: int, *, final: bool) -> int:
        """The number is said already: an address goes, closed or not; a word that would become one is set apart."""
        text = self._held.text
        is_short = len(text) - position < _MAX_TARGET
        if not final and is_short and _UNFINISHED_OPEN_TARGET.match(text, position):
            return self._hold(position, _ENDS_OPEN_TARGET, _MAX_TARGET)
        target = _OPEN_TARGET.match(text, position, position + _MAX_TARGET)
        address, end = (trimmed(target[1]), target.end()) if target else ("", position)
        if not is_target(address):
            return self._write("(" if text[end : end + 1].isspace() else " (", position + 1)
        end = end + 1 if text.startswith(")", end) else position + 1 + len(address)
        return self._read_address(address, text[position:end], position, end, final=final)

    def _read_parenthesis(self, position: int, *, final: bool) -> int:
        """An address in brackets of its own goes with them."""
        if self._written.is_behind_number:
            return self._read_behind_number(position, final=final)
        text = self._held.text
        if not final and position + 1 == len(text):
            return position
        if not final and self._may_be_address(position + 1):
            return position
        address = _ADDRESS.match(text, position + 1)
        bare = trimmed(address[0]) if address else ""
        if bare and text.startswith(")", position + 1 + len(bare)):
            return self._read_address(bare, f"({bare})", position, position + 2 + len(bare), final=final)
        return self._write("(", position + 1)

    def _read_word(self, position: int, *, final: bool) -> int:
        text = self._held.text
        if self._written.is_at_word_start:
            if not final and self._may_be_address(position):
                return position
            if address := _ADDRESS.match(text, position):
                bare = trimmed(address[0])
                return self._read_address(bare, bare, position, position + len(bare), final=final)
        word = _PLAIN.match(text, position)
        end = word.end() if word else position + 1
        if text[position] in INLINE_MARKS:
            self._written.write_marks(text[position:end])
            return end
        return self._write(text[position:end], end)

    def _read_address(self, address: str, shown: str, position: int, end: int, *, final: bool) -> int:
        address, shown = usable(address), usable(shown)
        is_allowed = self._is_allowed(address, position, end, final=final)
        if is_allowed is None:
            return position
        self._drops_address = not is_allowed and len(address) >= _MAX_ADDRESS
        if is_allowed and shown.startswith("(") and self._written.is_behind_number:
            self._written.write_marker(shown)
            return end
        return self._write(shown, end) if is_allowed else self._drop(end)

    def _read_entity(self, position: int, *, final: bool) -> int:
        """A character by its name or number: where it could be part of a link, the name is all a reader gets."""
        text = self._held.text
        if not final and _UNFINISHED_ENTITY.match(text, position):
            return self._hold(position, _OUT_OF_ENTITY, _MAX_ENTITY)
        entity = _ENTITY.match(text, position)
        is_broken = entity is not None and entity[0][1:-1] not in _HARMLESS_ENTITIES
        return self._write(f"&{contacts.JOINER}" if is_broken else "&", position + 1)

    def _read_colon(self, position: int, *, final: bool) -> int:
        """A word that turns out to be a scheme is said already, and keeps no address."""
        text, word = self._held.text, self._written.label
        if word and not final and len(text) - position < 3 and "://".startswith(text[position:]):
            return position
        behind = _BEHIND_SCHEME.match(text, position) if word else None
        if behind is None:
            return self._write(":", position + 1)
        if not final and self._is_address_open(behind.end()) and len(behind[0]) < _MAX_ADDRESS:
            return self._hold_address(position, behind.end(), _MAX_ADDRESS)
        return self._read_behind(word, trimmed(behind[0]), position, final=final)

    def _read_behind(self, word: str, rest: str, position: int, *, final: bool) -> int:
        """What makes an address of a word that is said already."""
        end = position + len(rest)
        shown = usable(rest)
        is_allowed = self._is_allowed((word + shown).lstrip("_"), position, end, final=final)
        if is_allowed is None:
            return position
        if is_allowed:
            return self._write(shown, end)
        self._drops_address = len(rest) >= _MAX_ADDRESS
        self._written.part()
        return end

    def _read_dot(self, position: int, *, final: bool) -> int:
        """A word that turns out to be a host keeps its first part, which is already said, and no link."""
        text, word = self._held.text, self._written.label
        behind = _BEHIND_WORD.match(text, position)
        end = behind.end() if behind else position + 1
        if not final and len(text) - position < _MAX_BEHIND_WORD:
            if end == len(text):
                return self._hold(position, _OUT_OF_LABEL, _MAX_BEHIND_WORD) if behind else position
            if behind and end + 1 == len(text) and text[end] in f":/?#{DOTS}":
                return position
        if not word or behind is None:
            return self._write(text[position], position + 1)
        length, likeness = host_in(word + behind[0], text[end : end + 2])
        return self._read_host(word, length - len(word), likeness, position, final=final)

    def _read_host(self, word: str, length: int, likeness: Likeness, position: int, *, final: bool) -> int:
        """`length` is what of the host stands behind the word."""
        text, end = self._held.text, position + length
        if likeness is Likeness.NONE or length <= 0:
            return self._write(text[position], position + 1)
        is_known = self._policy.knows((word + text[position:end]).strip("_"))
        if likeness is Likeness.POSSIBLE and not is_known:
            return self._write(contacts.broken(text[position:end]), end)
        if likeness is Likeness.POSSIBLE and not leads_on(text[end : end + 2]):
            return self._write(text[position:end], end)
        path = _PATH.match(text, end)
        if path and not final and self._is_address_open(path.end()) and len(path[0]) < _MAX_ADDRESS:
            return self._hold_address(position, path.end(), length + _MAX_ADDRESS)
        rest = trimmed(text[position : path.end() if path else end])
        return self._read_behind(word, rest, position, final=final)

    def _read_sigil(self, position: int, *, final: bool) -> int:
        """A mail address, a name, a tag or a command."""
        text, before = self._held.text, self._written.last
        is_mail = text[position] in "@＠" and bool(self._written.user.strip("_"))
        unfinished = contacts.UNFINISHED_MAIL_HOST if is_mail else contacts.UNFINISHED_SIGIL
        if not final and unfinished.match(text, position):
            return self._hold(position, _OUT_OF_LABEL, _MAX_BEHIND_WORD)
        if is_mail and (host := contacts.MAIL_HOST.match(text, position)):
            return self._write_contact(self._written.user, host[0], position)
        is_inside = before.isalnum() or (text[position] == "/" and before in ("/", "<", ">"))
        sigil = None if is_inside else contacts.SIGIL.match(text, position)
        if sigil is None:
            return self._write(text[position], position + 1)
        if sigil[0][1:].isdecimal() and not self._policy.knows(sigil[0]):
            # It may be the beginning of a telephone number.
            return self._write(contacts.broken(text[position]), position + 1)
        return self._write_contact("", sigil[0], position)

    def _write_contact(self, word: str, contact: str, position: int) -> int:
        whole = word + contact
        is_known = self._policy.knows(whole) or self._policy.knows(whole.strip("_"))
        return self._write(contact if is_known else contacts.broken(contact), position + len(contact))

    def _read_number(self, position: int, *, final: bool) -> int:
        text = self._held.text
        if self._written.is_at_word_start:
            run = contacts.TELEPHONE.match(text, position)
            end = run.end() if run else position + 1
            if not final and end == len(text) and end - position < contacts.MAX_TELEPHONE:
                return self._hold(position, contacts.OUT_OF_TELEPHONE, contacts.MAX_TELEPHONE)
            if not final and contacts.UNFINISHED_IN_BRACKETS.match(text, position):
                return position
            if bracketed := contacts.IN_BRACKETS.match(text, position):
                said = contacts.without_tail(bracketed[0].replace("[", "(").replace("]", ")"))
                if self._policy.is_contact(said):
                    return self._write(said, position + len(said))
            digits = contacts.digits_at(text, position)
            if contacts.is_telephone(digits):
                return self._write_telephone(digits, position)
            if contacts.is_date_or_amount(digits):
                # Its last digits alone may look like a telephone number.
                return self._write(digits, position + len(digits))
        word = _PLAIN.match(text, position)
        end = word.end() if word else position + 1
        return self._write(text[position:end], end)

    def _write_telephone(self, telephone: str, position: int) -> int:
        known = self._policy.known_telephone(telephone)
        end = position + len(known or telephone)
        return self._write(known or contacts.broken_telephone(telephone), end)

    def _may_be_address(self, position: int) -> bool:
        """Whether more text may make an address of what stands here, or a longer one."""
        text = self._held.text
        if len(text) - position <= _LONGEST_SCHEME:
            rest = text[position:].lower()
            if any(scheme.startswith(rest) for scheme in _SCHEMES):
                return True
        address = _ADDRESS.match(text, position)
        if (
            address is None
            or len(address["rest"]) >= _MAX_ADDRESS
            or not self._is_address_open(address.end())
        ):
            return False
        self._hold_address(position, address.end(), len(text) - position + _MAX_ADDRESS)
        return True

    def _is_address_open(self, end: int) -> bool:
        return _UNFINISHED_KEY.match(self._held.text, end) is not None

    def _hold_address(self, position: int, end: int, room: int) -> int:
        """Within brackets any character decides whether they are a part of it."""
        is_within_key = end < len(self._held.text)
        return position if is_within_key else self._hold(position, _OUT_OF_ADDRESS, room)

    def _is_allowed(self, address: str, position: int, end: int, *, final: bool) -> bool | None:
        """None while the sentence has not yet cited anything."""
        verdict = self._policy.verdict(address)
        if verdict.is_free or not verdict.numbers or verdict.numbers & self._cited:
            return verdict.is_free or bool(verdict.numbers)
        window = self._held.text[end : end + 2 * _MAX_SENTENCE]
        line, newline, _ = window.partition("\n")
        is_open = not newline and not final and len(window) < 2 * _MAX_SENTENCE
        cited, is_closed = _cited_in(line)
        if verdict.numbers & cited:
            return True
        if is_closed or not is_open:
            return False
        if not cited:
            self._held.wait_for(_ENDS_SENTENCE, room=end - position + 2 * _MAX_SENTENCE)
        return None

    def _write(self, text: str, end: int) -> int:
        self._written.write(text)
        return end

    def _drop(self, end: int) -> int:
        self._written.drop_spaces()
        self._written.part()
        return end


_ENDS_SENTENCE = re.compile(r"[\n\[\]【】]")
_BRACKET = re.compile(r"[\[【]")


def _cited_in(line: str) -> tuple[set[int], bool]:
    """What the first markers of a line name that stand side by side, and whether something stands behind them."""
    cited: set[int] = set()
    end = -1
    for bracket in _BRACKET.finditer(line):
        is_apart = end >= 0 and line[end : bracket.start()].strip(_BLANKS)
        is_far = end < 0 and bracket.start() >= _MAX_SENTENCE
        if is_apart or is_far:
            break
        if marker := marker_at(line, bracket.start()):
            cited |= {*numbers_of(marker)}
            end = marker.end()
        elif end >= 0:
            break
    behind = line[end:].lstrip(_BLANKS) if end >= 0 else ""
    is_over = bool(behind) and not UNFINISHED.match(behind)
    return cited, is_over or (end < 0 and len(line) > _MAX_SENTENCE + MAX_MARKER)


def made_safe(text: str, policy: LinkPolicy, *, cited: Iterable[int] = ()) -> str:
    """A whole text at once; see `SafeText`."""
    safe = SafeText(policy, cited=cited)
    return safe.feed(text) + safe.finish()


def without_links(text: str) -> str:
    """A whole text, with nothing left in it that a reader's program would open."""
    return made_safe(text, LinkPolicy(()))


def is_target(text: str) -> bool:
    """Whether it leads somewhere behind the title of a link, where a path does so too."""
    return bool(_IS_TARGET.match(text)) or is_host(text)


def is_host(text: str) -> bool:
    """Whether a reader's program opens it as an address of the web; of mail is fine."""
    is_written_out = "://" in text or text[:4].lower() == "www."
    if is_written_out or _MAIL.fullmatch(text):
        return is_written_out
    return any(begins_with_host(part.lstrip("/")) for part in text.split("@"))
