"""Whatever a model writes, Telegram accepts: limits, offsets, nesting, and nothing is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.rendering import Entity, Message, Source, answer_messages, preview_message
from bot.rendering.markdown import from_markdown
from bot.rendering.messages import split, to_message
from bot.rendering.styled import Span, StyledText
from tests.fakes.telegram_links import links_of

MARKDOWN_PIECES = (
    "**", "*", "_", "__", "~~", "||", "`", "```py\n", "```", "\n", "\n\n", "# ", "- ",
    "1. ", "> ", "[", "](", ")", "]", "[1]", "[2]", "[99]", "http://a.b/ц",
    "javascript:x", "<b>", "</b>", "<", "|", "---|---", "$", "\\", "![", "[^1]", "🙂",
    "👩‍👩‍👧", "ё", "ção", "слово ", "word ", "palavra ", " ", "\t", "⦗1⦘", "⧼",
)  # fmt: skip
MARKDOWN = st.lists(st.sampled_from(MARKDOWN_PIECES) | st.text(max_size=8), max_size=60).map("".join)
LONG_MARKDOWN = st.builds(lambda text, times: text * times, MARKDOWN, st.sampled_from([1, 30, 120]))
SOURCES = st.lists(
    st.builds(
        Source,
        number=st.integers(1, 5),
        title=st.text(max_size=200),
        url=st.sampled_from(["", "/path", "https://shop.example/a?b=ц", "javascript:alert(1)"]),
    ),
    max_size=8,
)
SHOP = Source(number=1, title="Delivery", url="https://shop.example/delivery")


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def covered(message: Message, entity: Entity) -> str:
    """The text under an entity; fails when the range cuts a surrogate pair or leaves the text."""
    raw = utf16(message.text)
    assert 0 <= entity.offset < entity.offset + entity.length <= len(raw) // 2
    return raw[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le")


def assert_telegram_accepts(message: Message) -> None:
    assert 0 < len(utf16(message.text)) // 2 <= 4096
    assert message.text == message.text.strip()
    assert len(message.entities) <= 100
    for entity in message.entities:
        assert covered(message, entity)
    for position, one in enumerate(message.entities):
        for other in message.entities[position + 1 :]:
            assert is_nested(one, other)


def is_nested(one: Entity, other: Entity) -> bool:
    one_end, other_end = one.offset + one.length, other.offset + other.length
    is_apart = one_end <= other.offset or other_end <= one.offset
    is_inside = (one.offset <= other.offset and other_end <= one_end) or (
        other.offset <= one.offset and one_end <= other_end
    )
    is_verbatim = {"code", "pre"} & {one.kind, other.kind}
    is_quoted = {"blockquote", "expandable_blockquote"} & {one.kind, other.kind}
    return is_apart or (is_inside and one.kind != other.kind and (not is_verbatim or bool(is_quoted)))


@settings(max_examples=30, deadline=None)
@given(text=LONG_MARKDOWN, sources=SOURCES)
def test_every_message_of_any_answer_is_acceptable_to_telegram(text: str, sources: list[Source]) -> None:
    for message in answer_messages(text, sources, sources_heading="Источники", note="— stopped"):
        assert_telegram_accepts(message)


@settings(max_examples=30, deadline=None)
@given(text=LONG_MARKDOWN)
def test_every_preview_is_acceptable_to_telegram(text: str) -> None:
    assert_telegram_accepts(preview_message(text + "x"))


@settings(max_examples=30, deadline=None)
@given(text=st.text(), starts=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40)), max_size=250))
def test_splitting_loses_no_character(text: str, starts: list[tuple[int, int]]) -> None:
    spans = [
        Span(start=s, end=min(s + n, len(text)), kind="bold") for s, n in starts if s < min(s + n, len(text))
    ]
    parts = split(StyledText(text=text, spans=tuple(spans)), text_limit=16)
    assert "".join("".join(part.text.split()) for part in parts) == "".join(text.split())
    assert all(len(utf16(part.text)) <= 32 for part in parts)


def test_a_long_answer_is_cut_between_blocks() -> None:
    paragraphs = [f"{number}. " + "слово " * 200 for number in range(8)]
    messages = answer_messages("\n\n".join(paragraphs), [], sources_heading="")
    assert len(messages) > 1
    assert all(re.match(r"\d\. слово", message.text) for message in messages)


def test_more_than_a_hundred_entities_are_spread_over_messages() -> None:
    messages = answer_messages("**b** word " * 250, [], sources_heading="")
    assert [len(message.entities) for message in messages] == [100, 100, 50]


def test_a_mark_opens_its_source_and_the_source_is_listed_in_a_folded_quotation() -> None:
    (message,) = answer_messages("🙂 Two days [1].", [SHOP], sources_heading="Sources")
    assert message.text == "🙂 Two days [1].\n\nSources\n[1] Delivery"
    found = {(entity.kind, covered(message, entity), entity.url) for entity in message.entities}
    assert found == {
        ("text_link", "[1]", SHOP.url),
        ("text_link", "Delivery", SHOP.url),
        ("bold", "Sources", ""),
        ("expandable_blockquote", "Sources\n[1] Delivery", ""),
    }


def test_only_cited_sources_are_listed() -> None:
    other = Source(number=2, title="Returns")
    (message,) = answer_messages("Two days [1].", [other, SHOP], sources_heading="Sources")
    assert "Delivery" in message.text
    assert "Returns" not in message.text


def test_a_mark_inside_code_stays_code() -> None:
    (message,) = answer_messages("`a[1]`", [SHOP], sources_heading="Sources")
    assert ("code", "a[1]") in {(entity.kind, covered(message, entity)) for entity in message.entities}


def test_a_source_without_a_web_address_is_named_and_not_linked() -> None:
    source = Source(number=1, title="Delivery", url="/delivery")
    (message,) = answer_messages("Two days [1].", [source], sources_heading="Sources")
    assert "[1] Delivery" in message.text
    assert not [entity for entity in message.entities if entity.kind == "text_link"]


@pytest.mark.parametrize("address", ["javascript:alert(1)", "tg://resolve?domain=x", "file:///etc/passwd"])
def test_a_link_leads_to_the_web_or_nowhere(address: str) -> None:
    (message,) = answer_messages(f"[press]({address})", [], sources_heading="")
    assert message.text == "press"
    assert not message.entities


@pytest.mark.parametrize(
    "text", ["Size <XL> fits", "[1]: https://evil.example\n\nsee [1]", "costs $5 or $10", "a_b_c"]
)
def test_text_that_looks_like_markup_is_not_swallowed(text: str) -> None:
    (message,) = answer_messages(text, [], sources_heading="")
    assert message.text == text


def test_bold_that_ends_right_before_a_mark_stays_bold() -> None:
    (message,) = answer_messages("**Yes.**[1]", [], sources_heading="")
    assert [(entity.kind, covered(message, entity)) for entity in message.entities] == [("bold", "Yes.")]


def test_a_sentence_that_the_sources_do_not_confirm_is_marked_and_the_mark_explained() -> None:
    text = "🙂 Two days [1]. **Free 🎁 always.** Bye."
    start = text.index("Free")
    (message,) = answer_messages(
        text,
        [SHOP],
        sources_heading="Sources",
        doubts=[(start, start + len("Free 🎁 always."))],
        footnote="Not confirmed by the sources.",
    )
    assert message.text.startswith(
        "🙂 Two days [1]. Free 🎁 always.† Bye.\n\n† Not confirmed by the sources.\n\nS"
    )
    assert ("italic", "† Not confirmed by the sources.") in {
        (entity.kind, covered(message, entity)) for entity in message.entities
    }
    assert_telegram_accepts(message)


def test_an_answer_that_the_sources_confirm_has_no_mark_and_no_footnote() -> None:
    (message,) = answer_messages(
        "Two days [1].", [SHOP], sources_heading="Sources", footnote="Not confirmed."
    )
    assert "†" not in message.text
    assert "Not confirmed" not in message.text


@settings(max_examples=30, deadline=None)
@given(text=LONG_MARKDOWN, ranges=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=5))
def test_marks_anywhere_leave_messages_acceptable_to_telegram(
    text: str, ranges: list[tuple[int, int]]
) -> None:
    for message in answer_messages(
        text, [SHOP], sources_heading="S", doubts=ranges, footnote="Not confirmed."
    ):
        assert_telegram_accepts(message)


def test_a_note_alone_is_a_message() -> None:
    (message,) = answer_messages("", [], sources_heading="Sources", note="Stopped.")
    assert message == Message(text="Stopped.", entities=(Entity(kind="italic", offset=0, length=8),))


def test_sources_that_do_not_fit_below_the_answer_get_their_own_message() -> None:
    body = "слово " * 680 + "[1]"
    messages = answer_messages(body, [SHOP], sources_heading="Sources")
    assert [message.text.startswith("Sources") for message in messages] == [False, True]


def test_a_preview_shows_the_newest_part_and_a_cursor() -> None:
    message = preview_message("old " * 2000 + "\n\nnew")
    assert message.text.endswith("new ▍")


def test_entities_beyond_the_limit_at_one_place_are_left_out() -> None:
    spans = tuple(Span(start=0, end=1, kind=f"kind{number}") for number in range(120))
    assert len(to_message(StyledText(text="x", spans=spans)).entities) == 100


@pytest.mark.parametrize(
    "text",
    [
        "evil&#46;com",
        "evil&period;com/pay",
        "evil\\.com",
        "ev**il.co**m",
        "`evil`.com",
        "||evil||.com",
        "~~evil~~.finance",
        "[evil](https://good.example).finance",
        "&#64;evil_bot",
        "@**evil_bot**",
        "&sol;start",
        "/**start**",
        "&num;evil",
        "win&commat;evil&#46;com",
        "win**@**evil*.*com",
        "+7 **999** 000 **11** 22",
        "8 **800** 555 *35* 35",
        "https&colon;//evil&period;com/x",
    ],
)
def test_markdown_makes_no_link_that_nobody_has_looked_at(text: str) -> None:
    for around in ("{}", "Да: {}.", "- {} [1]\n\n## {}\n\n> {}"):
        said = around.replace("{}", text)
        for message in (preview_message(said), *answer_messages(said, [], sources_heading="Sources")):
            assert links_of(message.text) == []
            for entity in message.entities:
                assert entity.offset + entity.length <= len(utf16(message.text)) // 2


@pytest.mark.parametrize(
    "text",
    [
        "Пишите на **help@shop.example** или *t.me/lumen*, [1]",
        "Смотрите https://shop.example/a_b(c), @lumen_bot, 8 (800) 555-35-35",
        "1. Node.js, 1.5/2 кг\n2. 12.05.2026, 10:00–18:30 `a.b`",
    ],
)
def test_what_the_service_has_looked_at_stays_as_it_is(text: str) -> None:
    [message] = answer_messages(text, [], sources_heading="Sources")
    assert "\u2060" not in message.text


def test_long_answer_that_is_read_in_stretches_keeps_its_paragraphs_and_styles() -> None:
    paragraphs = [f"**Tea {number}** is kept for two years." for number in range(300)]
    styled = from_markdown("\n\n".join(paragraphs))
    assert styled.text == "\n\n".join(paragraphs).replace("**", "")
    bold = [styled.text[span.start : span.end] for span in styled.spans]
    assert bold == [f"Tea {number}" for number in range(300)]


def test_code_is_not_cut_where_it_has_an_empty_line() -> None:
    code = "```\n" + "one\n\ntwo\n" * 100 + "```"
    styled = from_markdown("Words and words.\n\n" * 170 + code)
    assert [span.kind for span in styled.spans] == ["pre"]
