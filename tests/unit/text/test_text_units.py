"""Paragraphs, lists and rows are units; none of their markup is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.domain.fragments import Fragment, Prompt
from retrieval_service.providers.local.extractive import compose
from retrieval_service.text.units import Kind, plain, units_of

GUIDE = """# Перевод за границу

Перевести можно в приложении. Комиссия
зависит от страны.

## Как перевести

Сделайте так:

1. Откройте *Платежи*.

2. Выберите [страну](https://bank.example/c).
   Их список длинный.

## Сколько стоит

| Страна | Комиссия | Дней |
|:-------|---------:|------|
| Сербия | 2 % | 3 |
| Чили \\| юг | 5 % | |

:::note

Деньги приходят [1] в будни.

:::
"""


def kinds(text: str) -> list[tuple[Kind, str]]:
    return [(unit.kind, unit.text) for unit in units_of(text)]


def test_units_are_what_was_written_as_one() -> None:
    assert kinds(GUIDE) == [
        (Kind.HEADING, "Перевод за границу"),
        (Kind.PARAGRAPH, "Перевести можно в приложении. Комиссия зависит от страны."),
        (Kind.HEADING, "Как перевести"),
        (Kind.LIST, "Сделайте так:\n1. Откройте Платежи.\n2. Выберите страну. Их список длинный."),
        (Kind.HEADING, "Сколько стоит"),
        (Kind.ROW, "Страна: Сербия, Комиссия: 2 %, Дней: 3"),
        (Kind.ROW, "Страна: Чили | юг, Комиссия: 5 %"),
        (Kind.PARAGRAPH, "Деньги приходят (1) в будни."),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Go to ![icon](a.png) **Settings**.", "Go to Settings."),
        ("[_WireGuard_](https://x.example)", "WireGuard"),
        ("a snake_case_name and 2*3*4", "a snake_case_name and 2*3*4"),
        ('<a id="top"></a> Text', "Text"),
        ("- **Limit:** 5", "- Limit: 5"),
        ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
    ],
)
def test_markup_goes_and_words_stay(line: str, said: str) -> None:
    assert plain(line) == said


def answered(question: str, text: str, language: str) -> list[str]:
    fragment = Fragment(
        number=1, document_id="d", chunk_id="c", title="", url="", text=text, language=language, score=1.0
    )
    prompt = Prompt(
        question=question,
        language=language,
        shop_name="",
        fallback_contact="",
        instructions="",
        fragments=(fragment,),
    )
    return compose(prompt)[1:]


@pytest.mark.parametrize(
    ("language", "question", "table", "row"),
    [
        (
            "en",
            "How much is the transfer to Chile?",
            "| Country | Fee |\n|---|---|\n| Serbia | 2% |\n| Chile | 5% |",
            "Country: Chile, Fee: 5%",
        ),
        (
            "ru",
            "Какая комиссия за перевод в Чили?",
            "| Страна | Комиссия |\n|---|---|\n| Сербия | 2 % |\n| Чили | 5 % |",
            "Страна: Чили, Комиссия: 5 %",
        ),
        (
            "pt",
            "Qual é a tarifa para o Chile?",
            "| País | Tarifa |\n|---|---|\n| Sérvia | 2% |\n| Chile | 5% |",
            "País: Chile, Tarifa: 5%",
        ),
    ],
)
def test_row_is_quoted_with_the_names_of_its_columns(
    language: str, question: str, table: str, row: str
) -> None:
    said = answered(question, table, language)
    assert said[0] == f"\n{row} [1]"
    assert "|" not in "".join(said)


def test_list_is_quoted_from_its_first_step_under_its_heading() -> None:
    [said, *_] = answered("Где откройте платежи и выберите страну?", GUIDE, "ru")
    assert said == (
        "\nКак перевести:\nСделайте так:\n1. Откройте Платежи. [1]\n"
        "2. Выберите страну. [1] Их список длинный. [1]"
    )


PARTS = [
    "| a | b |",
    "|---|",
    "- x",
    "1. y",
    "  z",
    "# h",
    "",
    ":",
    "text:",
    "```",
    "[a](b)",
    "![",
    "<b>",
    "**",
]


@given(st.lists(st.sampled_from(PARTS) | st.text(max_size=8), max_size=20).map("\n".join))
def test_any_text_has_units_with_words(text: str) -> None:
    for unit in units_of(text):
        assert any(map(str.isalnum, unit.text))
        assert all(line.strip() for line in unit.lines)


def test_lines_that_end_with_a_sentence_stay_lines() -> None:
    [unit] = units_of("Turn the key.\nQuestion: does it stick?\nAnswer: oil it\nonce a year.\nThen wait")
    assert unit.lines == (
        "Turn the key.",
        "Question: does it stick?",
        "Answer: oil it once a year.",
        "Then wait",
    )
