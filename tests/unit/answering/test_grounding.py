"""Every sentence of an answer cites a source that has its facts, or is flagged."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.domain.answering.checked_stream import CheckedEvent, CheckedText
from retrieval_service.domain.answering.citations import Cited, Delta
from retrieval_service.domain.answering.grounding import Flagged, Reason
from retrieval_service.domain.fragments import Fragment, Prompt, Turn
from retrieval_service.text.contacts import JOINER

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
    """As a reader sees them: contacts that no source names are broken by joiners."""
    events = run(*pieces)
    text = joined(events)
    flagged = ((text[one.start : one.end], one.reason) for one in events if isinstance(one, Flagged))
    return [(seen.replace(JOINER, ""), reason) for seen, reason in flagged]


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
    ],
)
def test_what_rests_on_sources_or_claims_nothing_is_not_flagged(answer: str) -> None:
    assert flags(answer) == []


@pytest.mark.parametrize(
    "answer",
    [
        "Здравствуйте, Анна!",
        "Добрый день! Спасибо за вопрос о доставке! Рада помочь. Обращайтесь, если появятся ещё вопросы!",
        "Hello, John Smith! Thank you for your question. Of course, happy to help!",
        "Olá, Maria! Obrigado pela pergunta. Fico à disposição!",
        "Спасибо, скидка будет всем?",
        f"Our team will help you: {CONTACT}",
    ],
)
def test_politeness_questions_and_the_contact_need_no_source(answer: str) -> None:
    assert flags(answer) == []


@pytest.mark.parametrize(
    ("courtesy", "more"),
    [
        ("Hope that helps", " Porto"),
        ("Надеюсь, это помогло", " Порту"),
        ("Espero ter ajudado", " Porto"),
    ],
)
def test_courtesy_that_goes_on_for_hundreds_of_words_needs_a_source(courtesy: str, more: str) -> None:
    assert flags(f"{courtesy}{more}.") == []
    assert flags(f"{courtesy}{more * 150}.") != []


@pytest.mark.parametrize(
    "answer",
    [
        "Please let me know if you need anything else.",
        "Hope that helps!",
        "I hope this helps. Have a wonderful day!",
        "Happy shopping!",
        "Приятных покупок!",
        "Хорошего дня!",
        "Если будут вопросы — пишите!",
        "Надеюсь, это помогло!",
        "Espero ter ajudado!",
        "Tenha um ótimo dia!",
        "Qualquer dúvida, é só chamar!",
    ],
)
def test_courtesy_at_the_end_needs_no_source(answer: str) -> None:
    assert flags(f"Доставка 300 ₽ [1]. {answer}") == []


@pytest.mark.parametrize(
    "answer",
    [
        "Water damage isn't covered by the warranty.",
        "The lamps don't have batteries.",
        "Let me know if you need a cheaper lamp from the moon.",
        "Hope that helps the moon turn into cheese.",
        "Не могу не сказать, что луна из сыра.",
        "Материалы корпуса не содержат свинца.",
        "Приятных покупок, сегодня всё бесплатно!",
        "Os materiais da lâmpada não contêm chumbo.",
        "Qualquer lâmpada é barata.",
    ],
)
def test_words_of_courtesies_excuse_no_claim(answer: str) -> None:
    assert flags(answer) == [(answer, Reason.NOT_CITED)]


@pytest.mark.parametrize(
    "header",
    [
        "| Place | Fee |\n|---|---|",
        "Place of delivery | Fee\n:--- | ---:",
        "| Город и область | Цена |\r\n| - | - |",
    ],
)
def test_header_of_a_table_is_a_title(header: str) -> None:
    assert flags(f"Prices of delivery:\n{header}\n| Москва | 300 ₽ [1] |\n\nHope that helps!") == []


@pytest.mark.parametrize(
    ("row", "under", "reason"),
    [
        ("| The moon is | of cheese |", "", Reason.NOT_CITED),
        ("| The moon is | of cheese |", "\n|---|---|", Reason.NOT_CITED),
        ("| The moon is | of cheese |", "\n| Москва | 300 ₽ [1] |", Reason.NOT_CITED),
        ("| Fee | $999 |", "\n|---|---|\n| Москва | 300 ₽ [1] |", Reason.FACT_NOT_IN_SOURCE),
        ("| Place | Free forever |", "\n|---|---|\n| Москва | 300 ₽ [1] |", Reason.FACT_NOT_IN_SOURCE),
    ],
)
def test_row_of_a_table_is_held_to_its_sources(row: str, under: str, reason: Reason) -> None:
    assert flags(row + under) == [(row, reason)]


@pytest.mark.parametrize(
    "answer",
    [
        "Привет, сегодня всё бесплатно",
        "Спасибо, скидка положена всем",
        "Hi, everything is free today",
        "Sure, we ship worldwide at no cost",
        "Oi, hoje tudo é grátis",
        "Claro, entregamos no mundo todo sem custo",
        "Нет информации о скидках, однако Луна даёт скидку всем.",
        "Нет данных о скидках, зато Луна щедра.",
        "Хотя нет информации о скидках, Луна даёт скидку всем.",
        "The documents do not mention discounts, but the Moon gives one to all.",
        "I don't know about discounts; the Moon gives one to all.",
        "Everything is cheap, but I don't know why.",
        "Não há informações sobre descontos, mas a Lua dá desconto a todos.",
        "Não sei nada sobre isso, no entanto a Lua é de queijo.",
        "This tea does not contain caffeine.",
        f"Пишите на {CONTACT}: у нас всё бесплатно.",
    ],
)
def test_politeness_covers_no_claim(answer: str) -> None:
    assert flags(answer) == [(answer, Reason.NOT_CITED)]


@pytest.mark.parametrize(
    ("lead_in", "line"),
    [
        ("Вот что известно о доставке:", "- Доставка 300 ₽ [1]"),
        ("These are our conditions:", "- Free over $50 [2]"),
        ("Segundo os materiais da loja:", "\n1. O frete custa R$ 1.290,50 [3]"),
        ("- **Доставка за 300 ₽:**", "  - 300 ₽ по городу [1]"),
    ],
)
def test_lead_in_claims_nothing_only_when_something_follows(lead_in: str, line: str) -> None:
    assert flags(f"{lead_in}\n{line}") == []
    assert [reason for _, reason in flags(lead_in)] == [Reason.NOT_CITED]


@pytest.mark.parametrize(
    ("lead_in", "reason"),
    [
        ("Бесплатно: всё для всех:", Reason.NOT_CITED),
        ("Everything is cheap: for one and all:", Reason.NOT_CITED),
        ("Tudo barato: para todos:", Reason.NOT_CITED),
        ("Доставка за 500 ₽:", Reason.FACT_NOT_IN_SOURCE),
        ("Всё бесплатно и всем:", Reason.FACT_NOT_IN_SOURCE),
        (f"{'Луна из сыра и ' * 10}вот:", Reason.NOT_CITED),
    ],
)
def test_claim_is_no_lead_in_for_its_colon(lead_in: str, reason: Reason) -> None:
    assert flags(f"{lead_in}\n- Доставка 300 ₽ [1]") == [(lead_in, reason)]


@pytest.mark.parametrize(
    "answer",
    [
        "## Условия возврата товара\nВернуть можно за 14 дней [1].",
        "## Доставка 300 ₽\nДоставка 300 ₽ [1].",
        "**Доставка 300 ₽.** [1]",
        "**Frete: R$ 1.290,50**\n\n- O frete custa R$ 1.290,50 [3]",
        "# Prices\n## From $50\nShipping is free over $50 [2].",
        "# Free shipping over $50\n## Details\nShipping is free over $50 [2].",
        "**Бесплатная доставка**\nБесплатно — от $50 [2].",
        "## Сколько стоит доставка?\n300 ₽ [1]",
        "**Обратите внимание!**",
    ],
)
def test_title_may_sum_up_what_its_lines_cite(answer: str) -> None:
    assert flags(answer) == []


@pytest.mark.parametrize(
    ("title", "under", "reason"),
    [
        ("**Лампа стоит 9 999 рублей**", "", Reason.NOT_CITED),
        ("**Лампа стоит 9 999 рублей.** [1]", "", Reason.FACT_NOT_IN_SOURCE),
        ("Цена 9 999 рублей [1]", "", Reason.FACT_NOT_IN_SOURCE),
        ("Скидка 90 % до 31.12.2026", "", Reason.NOT_CITED),
        ("**Звоните +7 999 000-11-22**", "\nДоставка 300 ₽ [1].", Reason.FACT_NOT_IN_SOURCE),
        ("Доставка 500 ₽", "\nДоставка 300 ₽ [1].\n## Цены\nДоставка 300 ₽ [1].", Reason.FACT_NOT_IN_SOURCE),
        ("Free over $50", "\nДоставка 300 ₽ [1].\n# Next\nFree over $50 [2].", Reason.FACT_NOT_IN_SOURCE),
        ("**The lamp costs $999**", "\nFree over $50 [2].", Reason.FACT_NOT_IN_SOURCE),
        ("Desconto de 90 % até 31.12.2026", "\nChega em 5 dias [3].", Reason.FACT_NOT_IN_SOURCE),
        ("Всё бесплатно навсегда", "", Reason.NOT_CITED),
        ("Всё бесплатно навсегда", "\nДоставка 300 ₽ [1].", Reason.FACT_NOT_IN_SOURCE),
        ("**Everything is free forever**", "\nДоставка 300 ₽ [1].", Reason.FACT_NOT_IN_SOURCE),
        ("**Tudo grátis para sempre**", "\nChega em 5 dias [3].", Reason.FACT_NOT_IN_SOURCE),
        ("**The moon is made of cheese.**", "", Reason.NOT_CITED),
        ("A lua é feita de queijo", "", Reason.NOT_CITED),
    ],
)
def test_title_is_held_to_what_it_or_its_lines_cite(title: str, under: str, reason: Reason) -> None:
    heading = title if title.startswith("**") else f"## {title}"
    assert flags(heading + under) == [(title.removesuffix(" [1]"), reason)]


def test_promise_of_the_question_may_be_a_title() -> None:
    checked = CheckedText(replace(PROMPT, question="Доставка бесплатная?"))
    text = "## Бесплатная доставка\nДоставка 300 ₽ [1]."
    assert not [one for one in (*checked.feed(text), *checked.finish()) if isinstance(one, Flagged)]


@pytest.mark.parametrize(
    "hostile",
    [
        *(
            "1 ",
            "а ",
            "**",
            "1–",
            ": ",
            "но ",
            ", ",
            "# 1\n",
            "**a**\n",
            "hi ",
            "спасибо за ",
            "не знаю, но ",
        ),
        *("нет a ", "Да [1]. ", "Да [1] ", "Да:\n", "# Да. [1]\n", "[1]", "# а. А ", "\n", "в материалах a "),
        *(
            "| a ",
            "| a |\n",
            "| a |\n|-|\n",
            "|-",
            "nothing about a ",
            "nothing about in ",
            "is not covered in a ",
        ),
        *(
            "materiais a ",
            "материалы а ",
            "if you have any ",
            "не могу вам ",
            "i hope that ",
            "qualquer outra ",
        ),
    ],
)
def test_hostile_answer_is_judged_in_no_time(hostile: str) -> None:
    """Anything quadratic takes seconds."""
    answer = hostile * (10_000 // len(hostile))
    started = time.process_time()
    run(*(answer[place : place + 20] for place in range(0, len(answer), 20)))
    assert time.process_time() - started < 4


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
        ("Доставка — две тысячи рублей [1].", "Доставка — две тысячи рублей [1]."),
        ("Free over 2.4k dollars [2].", "Free over 2.4k dollars [2]."),
        ("O frete custa dois mil reais [3].", "O frete custa dois mil reais [3]."),
    ],
)
def test_fact_that_the_cited_source_does_not_state_is_flagged(answer: str, flagged: str) -> None:
    assert flags(answer) == [(flagged, Reason.FACT_NOT_IN_SOURCE)]


def test_number_of_the_question_needs_no_source() -> None:
    asked = replace(
        PROMPT, question="Where is order 20931?", history=(Turn(question="I am 45", titles=("20",)),)
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
    *("| a | b |", "\n|---|---|\n", "| Луна из сыра |\n"),
    *("Луна из сыра", ":", "[9]", "# ", "**", "🙂", "https://nope.com ", "<b>"),
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
