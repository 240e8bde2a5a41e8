"""Markers of a streamed answer become citations with exact ranges, however the stream is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.domain.answering.citations import AnswerEvent, CitationStream, Cited, Delta

KNOWN = frozenset({1, 2, 3})


def run(*pieces: str) -> list[AnswerEvent]:
    stream = CitationStream(KNOWN)
    events = [event for piece in pieces for event in stream.feed(piece)]
    return [*events, *stream.finish()]


def joined(events: list[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def citations(events: list[AnswerEvent]) -> list[tuple[str, tuple[int, ...]]]:
    text = joined(events)
    return [(text[event.start : event.end], event.numbers) for event in events if isinstance(event, Cited)]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Да [1].", "Да [1]."),
        ("Да [1][2].", "Да [1][2]."),
        ("Да [1, 3].", "Да [1][3]."),
        ("Да [1; 2].", "Да [1][2]."),
        ("Да [1-3].", "Да [1][2][3]."),
        ("Да【1】.", "Да[1]."),
        ("Да 【2†источник】.", "Да [2]."),
        ("Да [^1].", "Да [1]."),
        ("Да [ 1 ].", "Да [1]."),
        ("Да [1,1].", "Да [1]."),
    ],
)
def test_markers_get_one_form(source: str, text: str) -> None:
    assert joined(run(source)) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Да [9].", "Да."),
        ("Да [9] и нет.", "Да и нет."),
        ("Да [9][1].", "Да [1]."),
        ("Да [1, 9].", "Да [1]."),
        ("Да [9] [1].", "Да [1]."),
        ("[9] Да", "Да"),
        ("Да.\n[9] Нет", "Да.\nНет"),
        ("Да [9]", "Да"),
        ("Да [9]\nНет", "Да\nНет"),
        ("Да 【4:0†file.pdf】.", "Да."),
        ("Да [0][3-1].", "Да."),
    ],
)
def test_numbers_that_were_not_given_vanish_with_their_space(source: str, text: str) -> None:
    events = run(source)
    assert joined(events) == text
    assert all(set(numbers) <= KNOWN for _, numbers in citations(events))


@pytest.mark.parametrize(
    "source",
    [
        "[скидка] на всё",
        "Смотрите [каталог](https://shop.example/1)",
        "в [2024] году",
        "пачка [1 кг]",
        "[] и [,] и [",
        "[1】 и 【1]",
        "конец [1",
        "список[один]",
        "🙂 [x] 🙂",
    ],
)
def test_ordinary_brackets_stay_as_they_are(source: str) -> None:
    events = run(source)
    assert joined(events) == source
    assert citations(events) == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Да [1](https://evil.example/x). Нет", "Да [1]. Нет"),
        ("Да [9](https://evil.example/x). Нет", "Да. Нет"),
        ("Да [1](см. каталог).", "Да [1](см. каталог)."),
        ("Да [1](http", "Да [1](http"),
        ("Да [1] (https://a.example)", "Да [1] (https://a.example)"),
    ],
)
def test_address_of_a_numbered_link_is_dropped(source: str, text: str) -> None:
    assert joined(run(source)) == text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "Доставка бесплатная [1]. Оплата картой [2].",
            [("Доставка бесплатная", (1,)), ("Оплата картой", (2,))],
        ),
        (
            "Доставка бесплатная. [1] Оплата картой. [2]",
            [("Доставка бесплатная.", (1,)), ("Оплата картой.", (2,))],
        ),
        ("Да. Цена 1.5 € за г. веса [1][3].", [("Цена 1.5 € за г. веса", (1, 3))]),
        ("Да [1] [2] и", [("Да", (1, 2))]),
        ("Есть:\n- Эфиопия, 900 ₽ [1]\n- Кения [2]", [("Эфиопия, 900 ₽", (1,)), ("Кения", (2,))]),
        ("1. Откройте [1]\n2. Залейте. Ждите. [2]", [("Откройте", (1,)), ("Ждите.", (2,))]),
        ("Всё сказано.\n[1]", [("Всё сказано.", (1,))]),
        ("[1] Да", []),
        ("Да.\n- [1] Нет", []),
        ("🙂 Да. 🙂 Нет [1]", [("🙂 Нет", (1,))]),
        ("Кофе [1], чай [2].", [("Кофе", (1,)), ("Кофе [1], чай", (2,))]),
    ],
)
def test_citation_covers_the_sentence_it_stands_behind(
    source: str, expected: list[tuple[str, tuple[int, ...]]]
) -> None:
    assert citations(run(source)) == expected


@pytest.mark.parametrize(
    ("pieces", "deltas"),
    [
        (["При", "вет", "!"], ["При", "вет", "!"]),
        (["Да ", "[", "1", "]", "."], ["Да", "", "", " [1]", "."]),
        (["[с", "кидка]"], ["[с", "кидка]"]),
        (["Да [1]", "(", "ага)"], ["Да [1]", "", "(ага)"]),
        (["Да ", " и"], ["Да", "  и"]),
    ],
)
def test_no_more_is_held_back_than_needed(pieces: list[str], deltas: list[str]) -> None:
    stream = CitationStream(KNOWN)
    assert [joined(stream.feed(piece)) for piece in pieces] == deltas


def test_endless_bracket_is_not_held_back() -> None:
    stream = CitationStream(KNOWN)
    spoken = sum(len(joined(stream.feed("1, " if step else "["))) for step in range(1_000))
    assert spoken > 2_800


def test_citation_comes_after_its_text() -> None:
    position = 0
    for event in run(*"Доставка [1]. Оплата. [2, 3] Конец"):
        if isinstance(event, Delta):
            position += len(event.text)
        else:
            assert event.end <= position


_PIECES = "[1] [2] [9] 【1】 [^1] [ ] 【 1 , † (https://a ) ( - Да нет . ! 🙂 [x] [1-3] 4:0"
_ANSWERS = st.lists(
    st.sampled_from([*_PIECES.split(), "[1, 3]", "- ", " ", "\n", "\u00a0"]), max_size=25
).map("".join)


@settings(max_examples=100)
@given(_ANSWERS, st.data())
def test_result_does_not_depend_on_the_cuts(source: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(source)), max_size=8)) | {0, len(source)})
    events = run(*(source[start:end] for start, end in pairwise(cuts)))
    whole, letters = run(source), run(*source)
    assert joined(events) == joined(whole) == joined(letters)
    assert citations(events) == citations(whole) == citations(letters)


@settings(max_examples=60)
@given(_ANSWERS)
def test_ranges_are_valid_and_trimmed(source: str) -> None:
    events = run(source)
    text = joined(events)
    for event in events:
        if isinstance(event, Cited):
            assert 0 <= event.start < event.end <= len(text)
            assert text[event.start : event.end] == text[event.start : event.end].strip()
            assert set(event.numbers) <= KNOWN


@settings(max_examples=100)
@given(st.text(alphabet="абв .!?\n(), 🙂", max_size=60))
def test_text_without_brackets_is_repeated_to_the_letter(source: str) -> None:
    assert joined(run(*source)) == source.rstrip(" ")


def test_each_of_many_citations_of_one_long_line_supports_its_own_sentence() -> None:
    source = " ".join(f"Чай номер {number} горячий [1] и крепкий [2]." for number in range(2_000))
    cited = citations(run(source[:31], source[31:]))
    assert len(cited) == 4_000
    assert cited[-2] == ("Чай номер 1999 горячий", (1,))
    assert cited[-1] == ("Чай номер 1999 горячий [1] и крепкий", (2,))


def test_number_that_opens_a_cited_item_stays_in_the_range_of_both_its_markers() -> None:
    assert citations(run("Цены:\n- 5. рублей [3][2]")) == [("5. рублей", (3, 2))]


def test_number_that_is_a_sentence_is_not_cited_with_the_next_one() -> None:
    assert citations(run("Сколько дней? 5. [1] Звоните. [2]")) == [("5.", (1,)), ("Звоните.", (2,))]
