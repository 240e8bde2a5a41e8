"""Whether a reader can see an element of HTML, as far as its own attributes and inline style tell.

What style sheets and classes do is not known here, and what is not known hides nothing. `clip` and one pixel's width
are left alone: by them pages speak to those who listen.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# int() refuses numbers of thousands of digits; no character has more than seven.
ENDLESS_REFERENCE = re.compile(r"&#(?:[0-9]{9,}|[xX][0-9a-fA-F]{9,});?")

_ATTRIBUTE = re.compile(
    r"""(?P<name>[^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:"(?P<double>[^"]*+)|'(?P<single>[^']*+)|(?P<bare>[^\s>]*+))["']?)?+"""
)
# Styles by which a text is there for programs only; read without white space, comments and escapes.
_HIDING_STYLE = re.compile(
    r"(?:^|[\"';{])(?:display:none|(?:content-)?visibility:(?:hidden|collapse)|opacity:0*\.?0*%?(?:[;!\"']|$)|"
    r"(?:-webkit-)?filter:opacity\((?:0+\.?0*|\.0+)%?\)|(?:-webkit-)?transform:scale(?:3d|x|y)?\((?:0+\.?0*|\.0+)[,)]|"
    r"(?:text-indent|(?:margin-)?(?:left|top|right|bottom)):-[0-9]{3,})",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"(?:0+\.?0*|\.0+)(?:[a-z]+|%)?")
_WHOLLY_CLIPPED = re.compile(r"inset\(\s*(?:50|100)%\s*\)|circle\(\s*0(?:px|%)?\s*(?:at[^)]*)?\)")
_FONT_SIZE = re.compile(r"(\d{0,6}\.?\d{1,6})([a-z]{1,5}|%)?(?:/.*)?", re.DOTALL)
# Of what is around: nothing of nothing is nothing.
_RELATIVE_UNITS = {"em", "%", "ex", "ch"}
_RELATIVE_SIZES = {"inherit", "unset", "smaller", "larger"}
# Nobody reads these.
_TINY = {"px": 1.0, "pt": 0.75}
_CLEAR_COLOUR = re.compile(
    r"transparent|(?:rgb|hsl)a?\((?:(?:[^,)]{1,20},){3}|[^/)]{1,60}/)\s{0,3}(?:0+\.?0*|\.0+)%?\s{0,3}\)"
    r"|#[0-9a-f]{3}0|#[0-9a-f]{6}00"
)
_STYLE_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_STYLE_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(.))", re.DOTALL)

_HEX_COLOUR = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})")
_BETWEEN_COLOURS = r"(?:\s{0,9}+,\s{0,9}+|\s{1,9}+)"
_RGB_COLOUR = re.compile(
    rf"rgba?\(\s{{0,9}}+([0-9]{{1,3}}){_BETWEEN_COLOURS}([0-9]{{1,3}}){_BETWEEN_COLOURS}([0-9]{{1,3}})\s{{0,9}}+"
    r"(?:[,/]\s{0,9}+1(?:\.0{0,9})?\s{0,9}+)?\)"
)
_NAMED_COLOURS = {
    "white": (255, 255, 255),
    "silver": (192, 192, 192),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "yellow": (255, 255, 0),
    "lime": (0, 255, 0),
    "green": (0, 128, 0),
    "aqua": (0, 255, 255),
    "cyan": (0, 255, 255),
    "blue": (0, 0, 255),
    "navy": (0, 0, 128),
    "fuchsia": (255, 0, 255),
    "magenta": (255, 0, 255),
    "purple": (128, 0, 128),
    "maroon": (128, 0, 0),
    "olive": (128, 128, 0),
    "teal": (0, 128, 128),
    "ivory": (255, 255, 240),
    "snow": (255, 250, 250),
    "whitesmoke": (245, 245, 245),
}
_PAINTED_OTHERWISE = {"text-shadow", "-webkit-text-fill-color", "-webkit-text-stroke"}
_PAINTING = _PAINTED_OTHERWISE | {
    "color",
    "background",
    "background-color",
    "background-image",
    "font",
    "font-size",
}
_INHERITED = {"inherit", "currentcolor", "unset"}
_UNCHANGED = {"inherit", "currentcolor", "unset", "transparent", "none"}
# What a browser gives colours of their own, whatever is around.
_SELF_COLOURED = {"a", "mark", "button", "select", "option", "textarea"}
# Of 255; nobody reads a text whose colours differ by no more.
_SAME_COLOUR = 8

Colour = tuple[int, int, int] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Paint:
    """The colours of a text and of what it is written on; None is unknown. Inner elements may change all of it."""

    text: Colour = None
    ground: Colour = None
    is_clear: bool = False
    is_tiny: bool = False

    @property
    def is_invisible(self) -> bool:
        if self.is_clear or self.is_tiny:
            return True
        if self.text is None or self.ground is None:
            return False
        return all(
            abs(one - other) <= _SAME_COLOUR for one, other in zip(self.text, self.ground, strict=True)
        )


def attributes_of(source: str) -> dict[str, str]:
    """By lower-case name; the first of a name counts."""
    attributes: dict[str, str] = {}
    for one in _ATTRIBUTE.finditer(source):
        value = one["double"] or one["single"] or one["bare"] or ""
        attributes.setdefault(one["name"].lower(), html.unescape(ENDLESS_REFERENCE.sub("", value)))
    return attributes


def is_hidden(attributes: Mapping[str, str]) -> bool:
    """`aria-hidden` hides from those who listen, not from those who see."""
    style = _style(attributes)
    if "hidden" in attributes or _HIDING_STYLE.search("".join(style.split())):
        return True
    return bool(style) and _has_no_room(dict(declarations(attributes)))


def _has_no_room(style: Mapping[str, str]) -> bool:
    """Padding makes room, and of one pixel's width is what is read aloud."""
    if _WHOLLY_CLIPPED.fullmatch(style.get("clip-path", "")):
        return style.get("width") != "1px"
    if style.get("overflow") not in {"hidden", "clip"} or any(what.startswith("padding") for what in style):
        return False
    is_flat = bool(
        _NOTHING.fullmatch(style.get("height", "auto")) and _NOTHING.fullmatch(style.get("width", "auto"))
    )
    return is_flat or bool(_NOTHING.fullmatch(style.get("max-height", "none")))


def painted(name: str, attributes: Mapping[str, str], around: Paint) -> Paint:
    """How an element's text is painted inside of what is `around` it; the same object when nothing changes.

    Many thousand open elements would make the garbage collector look through the whole process.
    """
    if not attributes and name not in _SELF_COLOURED:
        return around
    text = None if name in _SELF_COLOURED else around.text
    ground = None if name in _SELF_COLOURED else around.ground
    is_clear = around.is_clear and name not in _SELF_COLOURED
    is_tiny = around.is_tiny
    for what, value in _said_of_colours(name, attributes):
        if what == "color":
            text = _changed(text, value)
            is_clear = is_clear if value in _INHERITED else bool(_CLEAR_COLOUR.fullmatch(value))
        elif what in {"font", "font-size"}:
            is_tiny = _is_tiny(value, around=around.is_tiny)
        elif what in _PAINTED_OTHERWISE:
            text, is_clear = None, False
        else:
            ground = _changed(ground, value)
    if "background-clip:text" in "".join(_style(attributes).lower().split()):
        return Paint(is_tiny=is_tiny)
    inside = Paint(text=text, ground=ground, is_clear=is_clear, is_tiny=is_tiny)
    return around if inside == around else inside


def _is_tiny(value: str, *, around: bool) -> bool:
    """Of a `font-size` or the size in a `font`: "0/0 a", "700 14px Arial"."""
    for said in value.split():
        if said in _RELATIVE_SIZES:
            return around
        size = _FONT_SIZE.fullmatch(said)
        if size is None:
            continue
        number, unit = float(size[1]), size[2]
        if unit in _RELATIVE_UNITS:
            return around or not number
        if unit or not number:
            return number <= _TINY.get(unit or "", 0)
    return False


def declarations(attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Property and value of the inline style in lower case."""
    for declaration in _style(attributes).lower().split(";"):
        what, _, value = declaration.partition(":")
        yield what.strip(), value.strip().removesuffix("!important").strip()


def _said_of_colours(name: str, attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Property and value; the style comes last, because it wins."""
    if "bgcolor" in attributes:
        yield "background", attributes["bgcolor"].strip().lower()
    if name == "font" and "color" in attributes:
        yield "color", attributes["color"].strip().lower()
    for what, value in declarations(attributes):
        if what in _PAINTING:
            yield what, value


def _changed(before: Colour, value: str) -> Colour:
    return before if value in _UNCHANGED else _colour(value)


def _colour(value: str) -> Colour:
    """None for what is no plain colour, such as a picture or a half transparent one."""
    if found := _HEX_COLOUR.fullmatch(value):
        digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if found := _RGB_COLOUR.fullmatch(value):
        return int(found[1]), int(found[2]), int(found[3])
    return _NAMED_COLOURS.get(value)


def _style(attributes: Mapping[str, str]) -> str:
    return plain_style(attributes.get("style", ""))


def plain_style(style: str) -> str:
    """Without comments and escapes."""
    return _STYLE_COMMENT.sub("", _STYLE_ESCAPE.sub(_unescaped, style)) if style else ""


def _unescaped(escape: re.Match[str]) -> str:
    code = int(escape[1], 16) if escape[1] else ord(escape[2])
    return chr(code) if code <= sys.maxunicode else ""
