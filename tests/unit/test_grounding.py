"""Every sentence of an answer cites a source that has its facts, or is flagged."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.domain import phrases
from retrieval_service.domain.checked_text import CheckedEvent, CheckedText
from retrieval_service.domain.citations import Cited, Delta
from retrieval_service.domain.fragments import Fragment, Prompt, Turn
from retrieval_service.domain.grounding import Flagged, Reason

CONTACT = "help@shop.example"


def fragment(number: int, text: str) -> Fragment:
    return Fragment(
        number=number,
        document_id="d",
        chunk_id="c",
        title="T",
        url="",
        text=text,
        language="ru",
        score=0.9,
    )


PROMPT = Prompt(
    question="?",
    language="ru",
    shop_name="Lumen",
    fallback_contact=CONTACT,
    instructions="",
    fragments=(
        fragment(1, "Вернуть можно за 14 дней. Доставка 300 ₽."),
        fragment(2, "Shipping is free over $50. Open 10:00–18:00."),
        fragment(3, "O frete custa R$ 1.290,50 e chega em 5 dias úteis."),
    ),
)


def run(*pieces: str) -> list[CheckedEvent]:
    checked = CheckedText(PROMPT)
    events = [event for piece in pieces for event in checked.feed(piece)]
    return [*events, *checked.finish()]


def joined(events: list[CheckedEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def flags(*pieces: str) -> list[tuple[str, Reason]]:
    events = run(*pieces)
    text = joined(events)
    return [(text[one.start : one.end], one.reason) for one in events if isinstance(one, Flagged)]


@pytest.mark.parametrize(
    "answer",
    [
        "Вернуть можно за 14 дней [1]. Доставка 300 рублей [1].",
        "Да. Вернуть можно за две недели: 14 дней. [1]",
        "Здравствуйте! Доставка 300 ₽ [1]. Хотите узнать что-то ещё?",
        "Hello! Shipping is free over 50 dollars [2]. Open from 10:00 to 18:00 [2].",
        "Olá! O frete custa 1290,50 reais e chega em 5 dias [3].",
        "По материалам магазина:\n- Доставка 300 ₽ [1]\n- Free over $50 [2]",
        "## Доставка\nДоставка 300 ₽.\n[1]",
        "Доставка 300 ₽ [1], а бесплатно — от $50 [2].",
        "Я не знаю: в материалах нет информации об этом.",
        "The documents do not say.",
        "Os documentos não mencionam nada sobre isso.",
        phrases.not_found_text("ru", "Lumen", CONTACT),
        phrases.not_found_text("en", "Lumen", CONTACT),
        phrases.not_found_text("pt", "Lumen", CONTACT),
        phrases.no_answer_text("ru", CONTACT),
        phrases.no_answer_text("en", CONTACT),
        phrases.no_answer_text("pt", CONTACT),
    ],
)
def test_what_rests_on_sources_or_claims_nothing_is_not_flagged(answer: str) -> None:
    assert flags(answer) == []


@pytest.mark.parametrize(
    ("answer", "flagged"),
    [
        ("Вернуть можно за 14 дней [1]. Луна из сыра.", "Луна из сыра."),
        ("Доставка 300 ₽. Возврат 14 дней. [1]", "Доставка 300 ₽."),
        ("- Free over $50 [2]\n- The moon is made of cheese", "The moon is made of cheese"),
        ("O frete é grátis.\nChega em 5 dias [3].", "O frete é grátis."),
        ("Луна из сыра [9].", "Луна из сыра."),
        (
            "Спасибо, что спросили: луна из сыра и стоит 5 ₽.",
            "Спасибо, что спросили: луна из сыра и стоит 5 ₽.",
        ),
        ("I don't know, but it costs $7.", "I don't know, but it costs $7."),
    ],
)
def test_sentence_without_a_citation_is_flagged(answer: str, flagged: str) -> None:
    assert flags(answer) == [(flagged, Reason.NOT_CITED)]


@pytest.mark.parametrize(
    ("answer", "flagged"),
    [
        ("Доставка 500 ₽ [1].", "Доставка 500 ₽ [1]."),
        ("Free over $60 [2]. Open from 10:00 [2].", "Free over $60 [2]."),
        ("O frete custa R$ 1.290,50 [2].", "O frete custa R$ 1.290,50 [2]."),
        ("Вернуть можно за 30 дней [1][3].", "Вернуть можно за 30 дней [1][3]."),
        ("Звоните +7 495 123-45-67 [1].", "Звоните +7 495 123-45-67 [1]."),
        ("У нас 350 магазинов [1].", "У нас 350 магазинов [1]."),
        ("We have shipped since 1998 [2].", "We have shipped since 1998 [2]."),
        ("Промокод SALE99 даёт скидку [1].", "Промокод SALE99 даёт скидку [1]."),
    ],
)
def test_fact_that_the_cited_source_does_not_state_is_flagged(answer: str, flagged: str) -> None:
    assert flags(answer) == [(flagged, Reason.FACT_NOT_IN_SOURCE)]


def test_number_of_the_question_needs_no_source() -> None:
    asked = replace(
        PROMPT, question="Where is order 20931?", history=(Turn(question="I am 45", answer="20"),)
    )
    checked = CheckedText(asked)
    text = "Order 20931 is due in 5 dias úteis [3]. At 45 too [3]. It is 1 of 20 [3].\n"
    events = [*checked.feed(text), *checked.finish()]
    assert [text[one.start : one.end] for one in events if isinstance(one, Flagged)] == ["It is 1 of 20 [3]."]


def test_flag_comes_as_soon_as_the_next_line_begins() -> None:
    checked = CheckedText(PROMPT)
    assert not any(isinstance(event, Flagged) for event in checked.feed("Луна из сыра.\n"))
    assert any(isinstance(event, Flagged) for event in checked.feed("Да"))


@pytest.mark.parametrize("answer", ["[1]", "[1][2]", " [1].\n- [3]", "**[1]**", "…", "[9]", ""])
def test_markers_without_a_word_are_no_answer(answer: str) -> None:
    assert run(answer) == run(*answer) == []


@pytest.mark.parametrize("answer", ["[1] Да", "- Yes [2]", "**Sim** [3]", "👍", "[1] 5"])
def test_what_stands_before_the_first_word_comes_with_it(answer: str) -> None:
    assert joined(run(*answer)) == joined(run(answer)) == answer


_PIECES = (
    *("Доставка 300 ₽", "500 ₽", " [1]", " [2]", ". ", ".", "\n", "\n\n", "- ", "Да", "Нет? "),
    *("Луна из сыра", ":", "[9]", "🙂", "https://nope.com ", "<b>"),
)
_ANSWERS = st.lists(st.sampled_from(_PIECES), max_size=20).map("".join)


@settings(max_examples=150)
@given(_ANSWERS, st.data())
def test_flags_do_not_depend_on_the_cuts(answer: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(answer)), max_size=6)) | {0, len(answer)})
    pieces = [answer[start:end] for start, end in pairwise(cuts)]
    assert flags(*pieces) == flags(answer) == flags(*answer)
    assert joined(run(*pieces)) == joined(run(answer))


@settings(max_examples=100)
@given(_ANSWERS)
def test_ranges_lie_in_the_text_that_was_said_before(answer: str) -> None:
    said = 0
    for event in run(*answer):
        if isinstance(event, Delta):
            said += len(event.text)
        elif isinstance(event, Cited | Flagged):
            assert 0 <= event.start < event.end <= said
