"""A question is the same in another order, form or spelling of accents, and in nothing else."""

from __future__ import annotations

import pytest

from retrieval_service.domain.quotation.same_question import is_same_question


@pytest.mark.parametrize(
    ("language", "asked", "title"),
    [
        ("en", "life jackets included", "Are life jackets included?"),
        ("en", "do you sell a gift voucher", "Do you sell gift vouchers?"),
        ("ru", "предоплата нужна", "Нужна ли предоплата?"),
        ("ru", "едет ли курьер за город", "Едет ли курьер за город?"),
        ("pt", "voces entregam", "Vocês entregam?"),
        ("pt", "nota fiscal vocês emitem?", "Vocês emitem nota fiscal?"),
    ],
)
def test_same_question_in_other_words_of_grammar_is_the_same(language: str, asked: str, title: str) -> None:
    assert is_same_question(asked, title, language)
    assert is_same_question(title, asked, language)


@pytest.mark.parametrize(
    ("language", "asked", "title"),
    [
        ("en", "Are life jackets optional?", "Are life jackets included?"),
        ("en", "Are life jackets not included?", "Are life jackets included?"),
        ("en", "Do you buy back gift vouchers?", "Do you sell gift vouchers?"),
        ("en", "Can I pay after the tour?", "Can I pay before the tour?"),
        ("en", "vouchers", "Do you sell gift vouchers?"),
        ("ru", "Можно без предоплаты?", "Можно с предоплатой?"),
        ("ru", "Можно не замораживать торт?", "Можно замораживать торт?"),
        ("ru", "Есть ли номера 12?", "Есть ли номера 14?"),
        ("pt", "Posso mudar um pedido?", "Posso cancelar um pedido?"),
        ("pt", "Não entregam?", "Entregam?"),
        ("en", "?", "Do you sell gift vouchers?"),
        ("en", "word " * 200, "word " * 200),
    ],
)
def test_other_question_of_like_words_is_not_the_same(language: str, asked: str, title: str) -> None:
    assert not is_same_question(asked, title, language)
    assert not is_same_question(title, asked, language)
