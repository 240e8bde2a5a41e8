"""Marks of Markdown that a reader is not shown: without them no two harmless pieces may become a link."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.rendering.markdown import from_markdown
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.safe_text.links import LinkPolicy
from retrieval_service.domain.safe_text.safe_text import SafeText
from retrieval_service.text.contacts import JOINER, TELEPHONE_IN_TEXT, is_telephone, without_tail
from retrieval_service.text.hosts import Likeness, host_in

OWN = "help@lumen.shop, @lumen_bot, +7 495 123-45-67, https://lumen.shop/sale, lumen.finance"

# As Telegram's own library and browsers find them in plain text.
_RUN = re.compile(r"(?<![\w.-])[\w-]*[^\W_][\w-]*(?:[.。．｡․﹒][\w-]+)+")
_SCHEME = re.compile(r"(?:https?|tg|ton)://[\w.-]", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_AT_HOME = re.compile(
    rf"(?<![^\W_])(?<![.@-])_*(?:https?://)?good\.example(?![^\W_])(?![.-])(?:[/?#:][^\s{JOINER}]*)?"
)
_SIGIL = re.compile(
    r"(?<![\w/<>])(?:[@＠][A-Za-z]\w{2,}|[#＃]\w*[^\W\d_]\w*|/[A-Za-z]\w+|\$[A-Z]{3,8}(?!\w))"
)


def policy() -> LinkPolicy:
    own = Fragment(
        number=1,
        document_id="d",
        chunk_id="c",
        title="T",
        url="/returns",
        text=OWN,
        language="ru",
        score=0.9,
    )
    return LinkPolicy([own], allowed_domains=["good.example"])


def safe(*pieces: str) -> str:
    stream = SafeText(policy())
    return "".join(map(stream.feed, pieces)) + stream.finish()


def in_telegram(text: str) -> str:
    """What the bot would send."""
    return from_markdown(text).text


def in_commonmark(text: str) -> str:
    """What any other client might show that renders Markdown, with struck-out words."""
    tokens = MarkdownIt("commonmark").enable("strikethrough").parse(text)
    inline = (child for token in tokens for child in token.children or ())
    return "".join("\n" if one.type.endswith("break") else one.content for one in inline)


def without_marks(text: str) -> str:
    """The worst that any renderer may do; an underscore between letters is none's mark."""
    bare = re.sub(r"\[1\]|[*~`|\\\[\]^]", "", text)
    return re.sub(r"(?<![^\W_])_+|_+(?![^\W_])", "", bare)


def links_of(text: str) -> list[str]:
    """What a program would make a link of, and nobody has allowed."""
    shown = _AT_HOME.sub(" ", text)
    hosts = ((run[0], host_in(run[0], "")) for run in _RUN.finditer(shown))
    found = [run[:length] for run, (length, likeness) in hosts if likeness is Likeness.CERTAIN]
    found += [one[0] for pattern in (_SCHEME, _MAIL, _SIGIL) for one in pattern.finditer(shown)]
    numbers = (without_tail(run[0]) for run in TELEPHONE_IN_TEXT.finditer(shown))
    found += [run for run in numbers if is_telephone(run)]
    own = re.compile(
        r"[\w.+-]+@good\.example|(?:[\w.-]+\.)?good\.example|lumen\.(?:shop|finance)|@lumen_bot|help@lumen\.shop|/returns|https?://[gl]"
    )
    return [one for one in found if not (own.fullmatch(one) or policy().knows_telephone(one))]


ATTACKS = [
    "evil**.com**",
    "ev**il**.com",
    "evil.**com**",
    "**evil**.**com**",
    "**evil**.com/pay",
    "*evil*.com",
    "evil*.com*",
    "_evil.com_",
    "__evil.com__https://nope.com",
    "__evil__.com",
    "evil._com_",
    "_evil_.com",
    "~~evil~~.com",
    "`evil`.com",
    "`evil.`com",
    "||evil||.com",
    "evil\\.com",
    "evil\\.c\\om",
    "evil&#46;com",
    "evil&#x2e;com",
    "evil&period;com/pay",
    "&#101;vil.com",
    "evil&shy;.com",
    "evil\u200b.com",
    "evil*\u2060*.com",
    "evil**\ufe0f.com**",
    "[evil](https://good.example/x).com",
    "[evil][ref].com\n\n[ref]: /returns",
    "www**.evil.lawyer**",
    "ht**tps://evil.com**",
    "https**://evil.com**",
    "https:**//evil.com**",
    "https&colon;//evil.com/x",
    "ton**://**pay",
    "ton:**//**pay",
    "good.example**.evil.com**",
    "good.example#&#46;**evilgood.example",
    "https://good.example/x**evil.lawyer**",
    "win@evil**.com**",
    "win**@evil.com**",
    "win@**evil.com**",
    "win&commat;evil&#46;com",
    "win**@**evil*.*com",
    "@**evil_bot**",
    "@*evil*\\_bot",
    "_@evil_bot_",
    "**@**evil_bot",
    "&#64;evil_bot",
    "/**start**",
    "_/start_",
    "#**win**",
    "_#win_",
    "&num;win",
    "$**EVIL**",
    "8 **800** 555 **35** 36",
    "8**8005553536**",
    "**8800**5553536",
    "_88005553536_",
    "_+79990001122_",
    "+**79990001122**",
    "+7 **999** 000-11-22",
    "8 800 **<b>555 35 36",
    "8\\(800\\) 555\\-35\\-36",
    "t.me/lumen**evil**",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("shown_by", [in_telegram, in_commonmark, without_marks])
def test_no_mouth_rebuilds_a_link(attack: str, shown_by: Callable[[str], str]) -> None:
    text = safe(f"Жмите {attack} сейчас")
    assert text == safe(*f"Жмите {attack} сейчас")
    assert links_of(shown_by(text)) == []


@pytest.mark.parametrize(
    "attack", ["evil.com", "win@evil.com", "@evil_bot", "#win", "8 800 555-35-36", "/start"]
)
def test_what_is_looked_for_is_found(attack: str) -> None:
    assert links_of(f"Жмите {attack} сейчас") != []


@pytest.mark.parametrize(
    "text",
    [
        "**Важно**: доставка — *300 ₽*, `код` AB-12, ~~400 ₽~~ [1].",
        "**10:30**, **12.05.2026**, **1 000** ₽, 5-**7** дней, **2,5** кг, **24/7**",
        "- **Чай:** 5 ₽\n- *Кофе*: 6 ₽\n\n| a | b |\n|---|---|\n| 1.5 | 2 |",
        "snake_case, some_file.txt, a_b_c, __init__, foo_bar(1)",
        "Tom &amp; Jerry, 5&nbsp;₽, &laquo;да&raquo;, AT&T, a&b; R&D;",
        "слово**жирное**слово, [скидка] на [всё], 5 * 4 = 20, x = y, 2^10",
        "_@lumen_bot_, **help@lumen.shop**, *lumen.finance*, **https://lumen.shop/sale** [1]",
        "Звоните **8 (495) 123-45-67** или _+7 495 123-45-67_.",
        "C:\\Users\\me, a\\*b, \\[x\\]",
    ],
)
def test_honest_marks_pass_to_the_letter(text: str) -> None:
    assert safe(text) == safe(*text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("evil**.com**", "evil**·.com**"),
        ("**10**.50 ₽", "**10**·.50 ₽"),
        ("@**evil_bot**", "@**·evil_bot**"),
        ("evil&#46;com", "evil&·#·46;com"),
        ("24.<b>12</b>.2026", "24.·12·.2026"),
        ("**8 (495)** 123-45-67", "**8 (495)** ·123·-45·-67"),
    ],
)
def test_joint_reads_the_same(text: str, shown: str) -> None:
    assert safe(text).replace(JOINER, "·") == shown


_PIECES = (
    "** * _ __ ~~ ` || \\ [ ] evil com .com . @ # / $ : :// // https +7 8 800 555 35 36 495 - ( ) &#46; &period; "
    "&commat; evil_bot start win EVIL good.example lumen.finance Да , <b> </b> \u200b \u2060 \ufe0f [1]"
)
_TEXTS = st.lists(st.sampled_from([*_PIECES.split(" "), " "]), max_size=14).map("".join)


@pytest.mark.parametrize("text", ["+7800__800", "+7 800_800", "8_800_555_35_36", "+7_800_555"])
def test_underscores_within_a_number_make_no_telephone(text: str) -> None:
    for line in (without_marks(safe(text)), in_telegram(safe(text)), in_commonmark(safe(text))):
        assert links_of(line) == []


@settings(max_examples=300)
@given(_TEXTS, st.data())
def test_whatever_marks_come_no_link_is_left_without_them(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=5)) | {0, len(text)})
    shown = safe(text)
    assert shown == safe(*text) == safe(*(text[start:end] for start, end in pairwise(cuts)))
    for line in (without_marks(shown), in_telegram(shown), in_commonmark(shown)):
        assert links_of(line) == [], shown
