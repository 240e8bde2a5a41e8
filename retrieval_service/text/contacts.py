"""What programs make links of without being told to: mail addresses, @names, #tags, /commands and telephone numbers.

Nothing is left out where one of them may not be a link: a word joiner, which nobody sees, breaks it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from retrieval_service.text.hosts import BEHIND_WORD, DOTS, LABEL, hosts_of
from retrieval_service.text.invisible import without_invisible

JOINER = "\u2060"
MAX_TELEPHONE = 42
MAX_NAME = 64

AT = "@＠"
# Telegram knows commands of one letter too, but then "p.m./a.m." has one.
SIGIL = re.compile(
    rf"[{AT}][A-Za-z0-9_]{{2,{MAX_NAME}}}+|[#＃]\w{{1,{MAX_NAME}}}+|/[A-Za-z0-9_]{{2,{MAX_NAME}}}+|\$[A-Z]{{1,8}}+"
)
UNFINISHED_SIGIL = re.compile(rf"[{AT}#＃/$]\w{{0,{MAX_NAME - 1}}}\Z")
SIGILS = f"{AT}#＃/$"
# The user's part stands before it already.
MAIL_HOST = re.compile(rf"[{AT}]{LABEL}{BEHIND_WORD}")
UNFINISHED_MAIL_HOST = re.compile(rf"[{AT}](?:{LABEL}(?:{BEHIND_WORD})?[{DOTS}]?)?\Z")
_SPOKEN = re.compile(r"(?:mailto|tel):(?://)?", re.IGNORECASE)
_USER = r"[\w.+-]{1,64}+"
MAIL = re.compile(rf"(?<![\w.+-]){_USER}[{AT}]{LABEL}{BEHIND_WORD}")
SIGIL_IN_TEXT = re.compile(rf"(?<![\w/<>])(?:{SIGIL.pattern})(?![\w/<>])|(?<![\w/<>])(?:[{AT}#＃$]\w+)")

# Digits, spaces, hyphens and dashes of every script: whoever calls a number sees no difference.
_BLANKS = " \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_HYPHENS = "‐‑‒﹣－-"
_DASHES = "–—―−"
_OPENING = "(（"
_SEPARATORS = rf"{_OPENING})）.．/／{_DASHES}{_HYPHENS}"
PLUS = "+＋"
IN_TELEPHONE = rf"\d{_BLANKS}{_SEPARATORS}"
TELEPHONE = re.compile(rf"[{PLUS}]?[{_OPENING}]?\d[{IN_TELEPHONE}]{{0,{MAX_TELEPHONE - 3}}}+")
TELEPHONE_IN_TEXT = re.compile(rf"(?<![\w{PLUS}]){TELEPHONE.pattern}")
# A renderer takes the code of a town for a citation's marker.
_CODE_OF_COUNTRY = rf"[{PLUS}]?\d{{1,3}}[{_BLANKS}{_HYPHENS}]{{0,2}}\["
IN_BRACKETS = re.compile(rf"{_CODE_OF_COUNTRY}\d{{2,5}}\][{IN_TELEPHONE}]{{1,30}}+")
UNFINISHED_IN_BRACKETS = re.compile(
    rf"{_CODE_OF_COUNTRY}(?:\d{{0,5}}|\d{{2,5}}\][{IN_TELEPHONE}]{{0,30}}+)\Z"
)
OUT_OF_TELEPHONE = re.compile(rf"[^{IN_TELEPHONE}]")
_TAIL = re.compile(r"(?<=\d)\D*+\Z")
_NO_DIGIT = re.compile(r"\D")
# What follows is looked for in plain numbers alone.
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[ .][0-9]{3})+")
_PRICE = r"[1-9][0-9]{0,2}(?:[ .][0-9]{3})*+(?:,[0-9]{2})?"
_PRICES = re.compile(rf"{_PRICE} ?– ?{_PRICE}")
_DAY = r"(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:19|20)[0-9]{2}"
_DATE = re.compile(
    rf"(?<![0-9./])(?:{_DAY}(?:[–-]{_DAY})?([./]){_MONTH}\1(?:{_YEAR}|[0-9]{{2}})|{_MONTH}/{_DAY}/{_YEAR}"
    rf"|{_YEAR}([./-]){_MONTH}\2{_DAY})(?![0-9]|[./][0-9])(?:[ (]{{1,2}}(?:[01]?[0-9]|2[0-4])(?![0-9]))?"
)
# Brazil's number of a company.
_COMPANY = re.compile(r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}/[0-9]{4}-[0-9]{2}")
_HYPHENED = re.compile(r"[0-9]{2,4}\)?[- ]*-[0-9]{2,4}")
LEAST_DIGITS = 7
_CLEARLY_DIGITS = 10
_MOST_DIGITS = 19
_GROUP = re.compile(rf"[{PLUS}]|\d{{3}}(?=\d{{4}})|(?<=\d)[/／]|\d(?=[^\d/／])")
_SPACE = re.compile(r" ")
# One number may end here and another thing begin.
_END_OF_NUMBER = re.compile(r" ?[–/]")
# 8 is what Russians dial before their own numbers, and 7 the code of their country.
_RUSSIAN = re.compile(r"[78][3489][0-9]{9}")
_RUSSIAN_AT_HOME = re.compile(r"[3489][0-9]{9}")
_WITH_COUNTRY = re.compile(r"1[2-9][0-9]{9}|[1-9][0-9]{11,}")
_COUNTRY = re.compile(r"\+(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3})(?=[0-9]{7})")
# How numbers of one's own country are written, by the language and the groups of digits: other countries where the
# language is spoken group them otherwise.
_AT_HOME = {
    "pt": {
        "55": re.compile(r"\(?0?([1-9][1-9])\)?[ -]{0,2}(9?[0-9]{4})[ -]([0-9]{4})"),
    },
    "en": {
        "44": re.compile(r"\(?0([12378][0-9]{1,4})\)?[ -]([0-9]{3,8})(?:[ -]([0-9]{3,4}))?"),
        "1": re.compile(r"\(?([2-9][0-9]{2})\)?[ .-]{1,2}([2-9][0-9]{2})[ .-]([0-9]{4})"),
    },
}
_LEAST_DIGITS_AT_HOME = {"44": 10}
# Of a number without a country's code: what is shorter may lack the code of its town too.
_LEAST_WITH_TOWN = 9
# Italians dial the zero from abroad too.
_KEEPS_ZERO = "39"
_BEHIND_SIGN = re.compile(rf"(?<=[{AT}{DOTS}])(?=\w)")


def folded(contact: str) -> str:
    """The form in which contacts are compared."""
    return unicodedata.normalize("NFKC", contact).casefold()


def number_of_digits(run: str) -> int:
    return len(_NO_DIGIT.sub("", run))


def is_telephone(run: str) -> bool:
    """Whether these digits and what parts them look like a telephone number, or that of a bank card."""
    said = plain_number(run)
    digits = number_of_digits(said)
    if digits < LEAST_DIGITS or (digits > _MOST_DIGITS and said.isdecimal()):
        return False
    if said.startswith("+"):
        return True
    is_long = digits >= _CLEARLY_DIGITS or _HYPHENED.search(said) is not None
    return is_long and not is_date_or_amount(said)


def is_date_or_amount(run: str) -> bool:
    """Whether as many digits as a telephone number has are something else as a whole."""
    said = plain_number(run)
    digits = number_of_digits(said)
    is_other = _is_date(said, digits) or _is_amount(said, digits) or _COMPANY.fullmatch(said)
    return digits >= LEAST_DIGITS and bool(is_other)


def _is_date(said: str, digits: int) -> bool:
    """Dates alone, and the hour behind one: beside other digits a date may be a part of a number."""
    rest, dates = _DATE.subn("", said)
    return dates > 0 and (digits < _CLEARLY_DIGITS or not number_of_digits(rest))


def _is_amount(said: str, digits: int) -> bool:
    """One with thousands, or from one to another."""
    if _THOUSANDS.fullmatch(said):
        return digits < _CLEARLY_DIGITS
    return _PRICES.fullmatch(said) is not None


def plain_number(run: str) -> str:
    """In ASCII, but for dashes, which may lead from one number to another; as long as it was."""
    return run if run.isascii() else "".join(map(_plain, run))


def _plain(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character in _DASHES:
        return "–"
    if character.isspace():
        return " "
    return "-" if unicodedata.category(character) == "Pd" else unicodedata.normalize("NFKC", character)[:1]


def without_tail(run: str) -> str:
    """Up to its last digit."""
    return _TAIL.sub("", run)


def digits_at(text: str, position: int) -> str:
    """What stands there up to its last digit; "" when there is none."""
    found = TELEPHONE.match(text, position)
    return without_tail(found[0]) if found else ""


def forms_of(telephone: str) -> frozenset[str]:
    """How it may be dialled, as far as its own digits say: equal numbers have one of these in common.

    With "+" those that lead there from every country. A number that only ends alike is another one.
    """
    telephone = plain_number(telephone)
    digits = _NO_DIGIT.sub("", telephone.replace("(0)", ""))
    if telephone.startswith("+"):
        return frozenset([f"+{digits}"])
    if digits.startswith("00"):
        return frozenset([f"+{digits[2:]}"])
    if _RUSSIAN.fullmatch(digits):
        return frozenset([digits, f"+7{digits[1:]}"])
    return frozenset([digits, f"+{digits}"] if _WITH_COUNTRY.fullmatch(digits) else [digits])


def national_digits(telephone: str) -> str:
    """What a caller of the same country dials, without the zero before it."""
    telephone = plain_number(telephone)
    digits = _NO_DIGIT.sub("", telephone.replace("(0)", ""))
    code = _COUNTRY.match(f"+{digits}") if telephone.startswith("+") else None
    return digits[code.end() - 1 :] if code else digits.removeprefix("0")


def _known_forms_of(telephone: str) -> Iterator[str]:
    """Also without the code of its country, which its neighbours leave out."""
    for form in forms_of(telephone):
        yield form
        if code := _COUNTRY.match(form):
            yield from (form[code.end() :], f"0{form[code.end() :]}")
        elif _RUSSIAN_AT_HOME.fullmatch(form):
            yield f"+7{form}"


def country_of(texts: Iterable[str]) -> str:
    """The code of the one country whose numbers are written with it; "" when there are none, or of several."""
    runs = (run for text in texts for run in _numbers_of(text) if run.startswith(("+", "00")))
    forms = (form for run in runs if is_telephone(run) for form in forms_of(run))
    codes = {code[0][1:] for form in forms if (code := _COUNTRY.match(form))}
    return codes.pop() if len(codes) == 1 else ""


def _forms_abroad(telephone: str, language: str, country: str) -> Iterator[str]:
    """With the code of its country, which the shop itself leaves out."""
    digits = _NO_DIGIT.sub("", telephone)
    if telephone.startswith("+") or digits.startswith("00"):
        return
    if country:
        has_town = digits.startswith("0") or len(digits) >= _LEAST_WITH_TOWN
        national = digits if country == _KEEPS_ZERO else digits.removeprefix("0")
        yield from [f"+{country}{national}"] if has_town else []
        return
    for code, written in _AT_HOME.get(language, {}).items():
        if groups := written.fullmatch(telephone.replace("–", "-")):
            national = "".join(group or "" for group in groups.groups())
            yield from [f"+{code}{national}"] if len(national) >= _LEAST_DIGITS_AT_HOME.get(code, 0) else []


def spoken_in(address: str) -> str:
    """The mail address or the telephone number of such an address; "" of any other."""
    scheme = _SPOKEN.match(address)
    return unquote(address[scheme.end() :]).partition("?")[0].strip() if scheme else ""


def broken(contact: str) -> str:
    """The same to a reader, and a link to nobody; for a mail address, a host or a name with its sign."""
    if contact[:1] in SIGILS:
        contact = f"{contact[0]}{JOINER}{contact[1:]}"
    return _BEHIND_SIGN.sub(JOINER, contact)


def broken_telephone(telephone: str) -> str:
    """Its groups of digits stay what they are."""
    return _GROUP.sub(rf"\g<0>{JOINER}", telephone)


def contacts_of(text: str) -> Iterator[str]:
    """All of a text but its telephone numbers, in the form in which they are compared."""
    seen = without_invisible(text)
    yield from (folded(found[0].strip("_")) for found in MAIL.finditer(seen))
    yield from (folded(found[0]) for found in SIGIL_IN_TEXT.finditer(seen))
    yield from (folded(run[0][:length].strip("_")) for run, length in hosts_of(seen))


def telephones_of(text: str, *, language: str = "", country: str = "") -> Iterator[str]:
    """In the forms in which they are compared; `country` is the code of the shop's own, as far as it is known."""
    for number in _numbers_of(text):
        for run in _runs_of(number):
            yield from _known_forms_of(run)
            yield from _forms_abroad(run, language, country)


def ends_of(run: str) -> Iterator[int]:
    """Where the telephone number may end that begins there: an extension or another number may stand behind it."""
    yield len(run)
    yield from (end.start() for end in _END_OF_NUMBER.finditer(plain_number(run[:MAX_TELEPHONE])))


def _numbers_of(text: str) -> Iterator[str]:
    """In ASCII."""
    for found in TELEPHONE_IN_TEXT.finditer(without_invisible(text)):
        number = plain_number(without_tail(found[0]))
        yield number
        parts = _END_OF_NUMBER.split(number)
        yield from (part.strip() for part in parts if len(parts) > 1)


def _runs_of(run: str) -> Iterator[str]:
    """The number, and what of it stands behind an hour or a price, which belong to no number with a plus."""
    starts = [0] if run.startswith("+") else [0, *(space.end() for space in _SPACE.finditer(run))]
    return (run[start:] for start in starts if is_telephone(run[start:]))
