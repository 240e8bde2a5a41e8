"""Which parts of a message Telegram makes links of by itself, after its open-source client library."""

from __future__ import annotations

import re
from importlib import resources

_LISTED = (resources.files("publicsuffixlist") / "public_suffix_list.dat").read_text("utf-8")
_ENDINGS = {line.rpartition(".")[2] for line in _LISTED.splitlines() if line and not line.startswith("//")}
_ENDINGS |= {"ton", "example", "test"}

# In the block of general punctuation only joiners and dashes belong to an address.
_IN_DOMAIN = r"(?:[\w.~-]|[\u200c\u200d\u2010-\u2015])"
_IN_PATH = r"[^\s<>\"«»\u2000-\u200b\u200e\u200f\u2016-\u206f]"
_URL = re.compile(
    rf"(?:(?P<scheme>[\w+-]+)://)?(?:[\w.+-]+@)?(?<![/#@])(?P<host>{_IN_DOMAIN}+)(?::\d+)?(?:[/?#]{_IN_PATH}*)?"
)
_OTHERS = (
    re.compile(r"(?<!\w)@[A-Za-z0-9_]{2,32}(?!\w)"),
    re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>])"),
    re.compile(r"(?<!\w)#(?=\w*[^\W\d])\w{1,256}"),
    re.compile(r"(?<![$\w])\$[A-Z]{1,8}(?![$\w])"),
    re.compile(r"(?:tg|ton|tonsite)://[a-z0-9_-]{1,253}", re.IGNORECASE),
    re.compile(r"\+?\d[\d ()-]{5,}\d"),
)


def links_of(text: str) -> list[str]:
    """Addresses, names, tags, commands and numbers to call; a single letter behind a slash is no attack."""
    found = [one[0] for one in _URL.finditer(text) if _is_url(one)]
    found += [one[0] for pattern in _OTHERS for one in pattern.finditer(text)]
    return [one for one in found if not re.fullmatch(r"/\w", one) and _is_number_to_call(one)]


def _is_url(url: re.Match[str]) -> bool:
    labels = [label for label in url["host"].strip(".").split(".") if label]
    if len(labels) < 2:
        return False
    if url["scheme"] or re.fullmatch(r"(?:\d{1,3}\.){3}\d{1,3}", url["host"]):
        return (url["scheme"] or "http").lower() in ("http", "https", "ftp", "tonsite")
    return labels[-1].lower() in _ENDINGS and labels[-1].lower() != "py"


def _is_number_to_call(found: str) -> bool:
    digits = re.sub(r"\D", "", found)
    if not re.fullmatch(r"[\d +()-]+", found):
        return True
    return found.startswith("+") or len(digits) >= 10
