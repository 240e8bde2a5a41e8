"""Text of a model as a reader gets it, however the stream is cut."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.safe_text.links import LinkPolicy, trimmed
from retrieval_service.domain.safe_text.safe_text import SafeText, made_safe
from retrieval_service.text.contacts import JOINER


def fragment(number: int, text: str) -> Fragment:
    return Fragment(
        number=number,
        document_id="d",
        chunk_id="c",
        title="T",
        url="/returns",
        text=text,
        language="en",
        score=0.9,
    )


def policy() -> LinkPolicy:
    fragments = [fragment(1, "See https://shop.example/a."), fragment(2, "Go to https://evil.example/x")]
    return LinkPolicy(fragments, allowed_domains=["good.example"], trusted=["t.me/lumen"])


def safe(*pieces: str) -> str:
    stream = SafeText(policy())
    return "".join(stream.feed(piece) for piece in pieces) + stream.finish()


@pytest.mark.parametrize(
    "text",
    [
        "Доставка 300 ₽ [1]. Возврат — 14 дней [2][3]!",
        "5 < 6, 7 > 4, <3 и a=b",
        "Время: 10:00–18:30, т.е. до вечера… 12.05.2026, 2.890,50 ₽",
        "- пункт\n- **жирный** и `код`\n\n1. раз",
        "Смотрите [каталог](https://good.example/c) и https://a.good.example/x?y=1.",
        "Пишите t.me/lumen",
        "Адрес https://shop.example/a [1].",
        "[Возврат](/returns) описан тут [1].",
        "Olá! Não há “troca” (veja abaixo).",
        "👩\u200d🍳 готовит ☕\ufe0f",
        "Да![1] Нет.",
        "в [2024] году [скидка] на [всё",
        "24/7, 1.5/2 кг, т.д./т.п., руб./кг, node.js, v1.2.3.4, стр.5/6, p.m./a.m., чай.docx",
        "г.Казань/Тула; прайс.pdf/прайс.xlsx",
        "1 000 000 ₽, 2020-01-31, 12.05.2026-14.05.2026, 1500–2000, art. 4711, [4:0]",
        "Node.js/React, main.py/test.py, St.Petersburg/Moscow",
    ],
)
def test_honest_text_passes_to_the_letter(text: str) -> None:
    assert safe(text) == safe(*text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Смотрите https://nope.example/x?q=1 сейчас", "Смотрите сейчас"),
        ("https://nope.example сейчас", "сейчас"),
        ("Смотрите (https://nope.example).", "Смотрите."),
        ("Смотрите [тут](https://nope.example 'x').", "Смотрите тут."),
        ("Veja [aqui](javascript:alert(1)) já", "Veja aqui já"),
        ("see [x](data:text/html,<b>1</b>)", "see x"),
        ("see [x](//nope.example)", "see x"),
        ("see javascript:alert(1) now", "see now"),
        ("see www.nope.com now", "see now"),
        ("see nope.com/path now", "see nope now"),
        ("see nope.com@ now", "see nope now"),
        ("see xhttps://nope.com/path now", "see xhttps now"),
        ("see https://good.example@nope.com now", "see now"),
        ("see https://gооd.example now", "see now"),
        ("see https://nope\u200b.com/\u202ex now", "see now"),
        ("a <https://nope.com/x> b", "a b"),
        ("https://good.example[.evil.com](x) b", "https://good.example .evil b"),
        ("https://good.example[x](https://nope.com)", "https://good.example x"),
        ("good[.evil.com](x)", "good.evil"),
        ("see https://good.example/x(https://evil.example now", "see now"),
        ("t.me/lumen<b>x</b>", "t.me/lumen x"),
        ("t.me/lumen<b>, да</b>", "t.me/lumen, да"),
        ("слово[тут](https://nope.com)", "словотут"),
        ("[a][b]\n[b]: https://nope.com", "[a][b]\n[b]:"),
        ("[https://good.example](https://nope.com) b", "b"),
        ("[1](https://nope.com) b", "[1] b"),
        ("[a](b](https://nope.com)", "[a] (b]"),
    ],
)
def test_foreign_link_goes_and_its_words_stay(text: str, shown: str) -> None:
    assert safe(text) == safe(*text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see [here](https://nope.com/x", "see here"),
        ("see [here](https://nope.com/x and there\nnext", "see here and there\nnext"),
        ("see [here](nope.com.", "see here."),
        ("see [here](//nope.com", "see here"),
        ("see [here](javascript:alert(1)", "see here"),
        ("a ![x](https://nope.com/p.png", "a"),
        ("Да [1](evil.example", "Да [1]"),
        ("Да [1](evil.example.", "Да [1]."),
        ("Да [1](evil.example и ещё", "Да [1] и ещё"),
        ("Да [1](evil.example) и ещё", "Да [1] и ещё"),
        ("Да [1](//evil.example/y", "Да [1]"),
        ("Да [1](//evil.example/y)", "Да [1]"),
        ("Да 【1†x】(www.nope.zip", "Да 【1†x】"),
        ("Да [1](evil.example/x", "Да [1]"),
        ("Да [1]<b>(evil.example</b>", "Да [1]"),
        ("Да ![1](evil.example/p.png", "Да ![1]"),
        ("Да [1](javascript:<b>alert(1))", "Да [1] (javascript:\u2060alert(1))"),
    ],
)
def test_foreign_link_that_is_never_closed_goes_too(text: str, shown: str) -> None:
    assert safe(text) == safe(*text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see [here](https://good.example/x", "see [here](https://good.example/x)"),
        ("see [here](https://good.example/x.", "see [here](https://good.example/x)."),
        ("see [here](https://evil.example/x as in [2]", "see [here](https://evil.example/x) as in [2]"),
        ("Да [1](https://good.example/x", "Да [1](https://good.example/x"),
        ("Да [1](t.me/lumen, да", "Да [1](t.me/lumen, да"),
        ("Да [1](evil.example/x [2].", "Да [1](evil.example/x [2]."),
        ("Да [1](/returns", "Да [1](/returns"),
        ("Да [1](help@shop.example", "Да [1] (help@\u2060shop.\u2060example"),
        ("Да [1](см. каталог", "Да [1](см. каталог"),
        ("Да [1](см. каталог)", "Да [1](см. каталог)"),
        ("Да [1](каталог)", "Да [1] (каталог)"),
        ("Да [1](1.5 кг, 10:30", "Да [1](1.5 кг, 10:30"),
    ],
)
def test_what_may_stand_stays_behind_a_bracket_that_is_never_closed(text: str, shown: str) -> None:
    assert safe(text) == safe(*text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a ![x](https://nope.com/p.png) b", "a b"),
        ("a ![x](https://good.example/p.png) b", "a b"),
        ("a ![1](https://nope.com/p.png) b", "a ![1] b"),
        ("a ![x][ref] b", "a [x][ref] b"),
        ("a!![x][ref] b", "a! [x][ref] b"),
        ("!<b>[x](https://good.example)", "! [x](https://good.example)"),
    ],
)
def test_image_always_goes(text: str, shown: str) -> None:
    assert safe(text) == safe(*text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>Да</b> и <img src=x onerror='a()'>нет", "Да и нет"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("<scr<b>ipt>x", "‹script>x"),
        ("<<b>script>", "‹script>"),
        ("a <!-- hidden --> b", "a  b"),
        ("a <!-- never ends", "a ‹!-- never ends"),
        ("a <img src=x", "a ‹img src=x"),
        ("</system> новые правила", " новые правила"),
        ("<\u200bimg src=x>y", "y"),
    ],
)
def test_tags_go_and_half_of_one_is_text(text: str, shown: str) -> None:
    assert safe(text) == safe(*text) == shown


def test_characters_that_nobody_sees_go() -> None:
    hidden = "\u200b\u200e\u202e\u2066\ufeff\u00ad\U000e0041\x00\x1b\ud800"
    assert safe(f"Да{hidden}нет\r\nи\u2028всё") == "Данет\nи\nвсё"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Жмите bit.ly/free и evil.nl", "Жмите bit и evil"),
        ("Жмите https://evil.москва, nope.dance/x", "Жмите, nope"),
        ("Жмите https:/evil.com и http:evil.com, evil.xn--p1ai", "Жмите и, evil"),
        ("Или tg:resolve?domain=x и 1.2.3.4/pay", "Или и 1"),
        (
            "Или 0x5d.0xb8.0xd8.0x22/pay, 0135.0270.0330.042/pay",
            "Или 0x5d, 0135·.0270·.0330·.042/pay".replace("·", JOINER),
        ),
        ("Или https://0x5db8d822/pay и http://1572395042/pay", "Или и"),
        ("[d]: //nope.com и да,nope.com;x=nope.com", "[d]: //nope и да,nope;x=nope"),
        ("да,t.me/lumen и x=a.good.example/x", "да,t.me/lumen и x=a.good.example/x"),
    ],
)
def test_what_a_readers_program_would_open_is_an_address_wherever_it_stands(text: str, shown: str) -> None:
    assert safe(text) == safe(*text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Идите на https://evil.example/x [2].", "Идите на https://evil.example/x [2]."),
        ("Идите на https://evil.example/x [1].", "Идите на [1]."),
        ("Идите на https://evil.example/x.", "Идите на."),
        ("Идите на https://evil.example/x\nДа [2].", "Идите на\nДа [2]."),
        ("Там [2]. Идите на https://evil.example/x", "Там [2]. Идите на https://evil.example/x"),
        ("Идите [сюда](https://evil.example/x), да [2].", "Идите [сюда](https://evil.example/x), да [2]."),
        ("Идите [сюда](https://evil.example/x), да [1].", "Идите сюда, да [1]."),
    ],
)
def test_link_of_a_source_stays_where_the_source_is_cited(text: str, shown: str) -> None:
    assert safe(text) == safe(*text) == shown


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["При", "вет", "!", " "], ["При", "вет", "", "!"]),
        (["Да", " [1]", "."], ["Да", " [1]", ""]),
        (["см. ", "https://", "nope.com", " да"], ["см.", "", "", " да"]),
        (["a ", "<", "b>", "c"], ["a", "", "", " c"]),
    ],
)
def test_no_more_is_held_back_than_needed(pieces: list[str], said: list[str]) -> None:
    stream = SafeText(policy())
    assert [stream.feed(piece) for piece in pieces] == said


@pytest.mark.parametrize(
    "kernel", ["[", "[a", "<a ", ".a", "(", "![a](", "[a]((", "https://", "[[a](", "[1](", "[1](a("]
)
def test_long_nonsense_comes_to_its_end(kernel: str) -> None:
    assert "https://" not in safe(kernel * 2_000)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Пишите @evil_support_bot", "Пишите @·evil_support_bot"),
        ("Жмите /start или (/start)", "Жмите /·start или (/·start)"),
        ("Ищите #выигрыш и $EVIL", "Ищите #·выигрыш и $·EVIL"),
        ("Пишите win@evil.com!", "Пишите win@·evil.·com!"),
        ("Пишите mailto:win@evil.com/pay", "Пишите mailto:win@·evil.·com/pay"),
        ("Пишите win＠evil.finance", "Пишите win＠·evil.·finance"),
        ("Идите на evil.finance, evil.foundation", "Идите на evil.·finance, evil.·foundation"),
        ("Идите на evil.lawyer/pay и evil.google/x", "Идите на evil и evil"),
        ("Идите на evil。com и evil．com/pay", "Идите на evil и evil"),
        (
            "Идите на evil｡finance, evil․lawyer, evil﹒zone",
            "Идите на evil｡·finance, evil․·lawyer, evil﹒·zone",
        ),
        ("Идите на ｅｖｉｌ.ｃｏｍ/x и 𝐞𝐯𝐢𝐥.𝐥𝐚𝐰𝐲𝐞𝐫", "Идите на ｅｖｉｌ и 𝐞𝐯𝐢𝐥.·𝐥𝐚𝐰𝐲𝐞𝐫"),
        ("Идите на nope.com.Дальше", "Идите на nope.Дальше"),
        ("Идите на ton://pay и tonsite://evil.ton", "Идите на ton и tonsite"),
        ("Идите на evil.ton", "Идите на evil.·ton"),
        ("Звоните +7 (999) 000-11-22", "Звоните +·7· (999·) 000·-11·-22"),
        ("Звоните 8 800 555 35 35.", "Звоните 8· 800· 555· 35· 35."),
        ("Звоните 88005553535 и tel:+74951234567", "Звоните 880·055·53535 и tel:+·749·512·34567"),
        ("Звоните /88005553535 и #88 00 555 35 35", "Звоните /·880·055·53535 и #·88· 00· 555· 35· 35"),
        ("Карта 4111 1111 1111 1111", "Карта 4111· 1111· 1111· 1111"),
        ("[::1](https://evil.example/x)", "::1"),
        ("Идите на https://evil.example/x [::1][:2:]", "Идите на [::1][:2:]"),
        ("evil(https://nope.com) .finance", "evil .finance"),
        ("evil.(https://nope.com)finance", "evil.("),
        ("@[evil_bot](https://nope.com)", "@ evil_bot"),
        ("@<b>evil_bot</b>", "@ evil_bot"),
    ],
)
def test_what_a_program_would_link_by_itself_is_broken(text: str, shown: str) -> None:
    assert safe(text) == safe(*text) == shown.replace("·", JOINER)


@pytest.mark.parametrize(
    "text",
    [
        "Пишите help@lumen.shop, @lumen_bot и #lumen, звоните 8 (495) 123-45-67",
        "Пишите HELP@Lumen.shop или shop@good.example, жмите /stock",
        "Смотрите lumen.finance и docs.good.example",
    ],
)
def test_contact_of_the_tenant_or_a_trusted_source_passes_to_the_letter(text: str) -> None:
    said = "help@lumen.shop, @lumen_bot, #lumen, +7 495 123-45-67, /stock, lumen.finance"
    for own in (
        LinkPolicy([fragment(1, said)], allowed_domains=["good.example"]),
        LinkPolicy([], allowed_domains=["good.example"], trusted=[said]),
    ):
        stream = SafeText(own)
        assert "".join(map(stream.feed, text)) + stream.finish() == text


def test_what_strangers_wrote_allows_nothing() -> None:
    said = "https://evil.example/x, help@evil.shop, @evil_bot, +7 999 000-11-22, evil.finance"
    own = LinkPolicy([replace(fragment(1, said), is_trusted=False)])
    shown = made_safe(f"[Тут](https://evil.example/x) [1]: {said}", own)
    assert shown == (
        "Тут [1]:, help@·evil.·shop, @·evil_bot, +·7· 999· 000·-11·-22, evil.·finance".replace("·", JOINER)
    )


_PIECES = (
    "[1] [2] [x] ![ ]( ( ) < > <b> </b> <!-- --> https:// http www. evil.example /x nope.com good.example . : ! "
    "@ javascript: Да нет ** \u200b \u202e 🙂 data: | # [x](https://nope.com) [x](https://good.example) t.me/lumen "
    "[1]( [x]( // [1](evil.example [x](https://evil.example [x](https://good.example , ; = "
    "bit.ly/x nope.dance/x 1.2.3.4/x tg: @evil_bot evil .finance 。 /start #tag +7 495 123-45-67 8 800 [::1] a@b.com"
)
_TEXTS = st.lists(st.sampled_from([*_PIECES.split(" "), " ", "\n", "\u00a0"]), max_size=20).map("".join)
_OPENS = re.compile(
    r"(?<!\w)https?://([^\s<>\[\]«»‹]+)|\]\(([^)\s\[\]]*)\)|(?<![\w#])www\.([^\s<>\[\]«»‹]+)", re.IGNORECASE
)


@settings(max_examples=150)
@given(_TEXTS, st.data())
def test_result_does_not_depend_on_the_cuts(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)) | {0, len(text)})
    assert safe(*(text[start:end] for start, end in pairwise(cuts))) == safe(text) == safe(*text)


@settings(max_examples=200)
@given(_TEXTS)
def test_whatever_comes_no_tag_image_or_foreign_link_is_left(text: str) -> None:
    shown = safe(text)
    assert not re.search(r"<[a-zA-Z/!?]", shown)
    assert not re.search(r"!\[(?![ ^0-9,;:–-]+\])", shown)
    for opened in _OPENS.finditer(shown):
        target = re.sub(r"[^\w/]+\Z", "", next(group for group in opened.groups() if group is not None))
        is_of_a_source = target.removeprefix("https://").startswith("evil.example/x")
        leads_nowhere = not re.match(r"\w[\w-]*[.:/]", target)
        assert policy().verdict(target).is_free or is_of_a_source or leads_nowhere


_LINKS = (
    "[1]( [x]( 【1】( [1] [x] ( ) // / https:// nope.com evil.example evil.example/x good.example t.me/lumen mailto: "
    "javascript: data: <b> . : ! @ Да [2] \u200b"
)
_LINK_TEXTS = st.lists(st.sampled_from([*_LINKS.split(" "), " ", "\n"]), max_size=12).map("".join)
_BEHIND_TITLE = re.compile(r"\]\(([^\s()<>\[\]\"«»‹]+)")
_LEADS_AWAY = re.compile(
    r"//|www\.|[a-z][a-z0-9+.-]*:.|(?:[\w-]+\.)+(?:com|example)(?:[/:?#].*)?\Z", re.IGNORECASE | re.DOTALL
)


@settings(max_examples=200)
@given(_LINK_TEXTS)
def test_whatever_comes_no_foreign_target_is_left_behind_a_title(text: str) -> None:
    addresses = (trimmed(target) for target in _BEHIND_TITLE.findall(safe(text)))
    for address in filter(_LEADS_AWAY.match, addresses):
        is_of_a_source = address.removeprefix("https://").startswith("evil.example/x")
        assert policy().verdict(address).is_free or is_of_a_source


@settings(max_examples=150)
@given(
    st.sampled_from(["[1]", "[2024]", "【1】", "[here]", "[a [b] c]"]),
    st.sampled_from(["nope.com", "//nope.com/x", "https://nope.com/x?q=1", "www.nope.zip", "Nope.COM:80/x"]),
    st.sampled_from(["", ".", ", да", " и ещё", "\nи ещё", " 'x'", ")", ") и ещё"]),
    st.data(),
)
def test_link_is_judged_alike_closed_or_not_and_however_it_is_cut(
    title: str, foreign: str, rest: str, data: st.DataObject
) -> None:
    for address in (foreign, "https://good.example/x", "t.me/lumen"):
        text = f"Да {title}({address}{rest}"
        cut = data.draw(st.integers(0, len(text)))
        shown = safe(text[:cut], text[cut:])
        assert shown == safe(text) == safe(*text)
        assert ("nope" in shown) is False
        assert (address in shown) is (address != foreign)
