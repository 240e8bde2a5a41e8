"""Questions for a price, and texts that tell one."""

from __future__ import annotations

import pytest

from retrieval_service.domain.answering.asked_prices import asks_price, tells_price


@pytest.mark.parametrize(
    "question",
    [
        *(
            "How much is it?",
            "how much does a haircut cost",
            "What are your prices?",
            "boots price",
            "and the price?",
        ),
        *(
            "Сколько это стоит?",
            "а стоит сколько?",
            "почём ремонт",
            "сколько будет стоить замена",
            "Какая цена?",
        ),
        *("Quanto custa?", "Qual é o preço?", "quanto fica a revisão", "E o preço?"),
    ],
)
def test_price_is_asked(question: str) -> None:
    assert asks_price(question)


@pytest.mark.parametrize(
    "question",
    [
        *(
            "How much does it weigh?",
            "how much water does it need",
            "how long does it take?",
            "Do you match prices?",
        ),
        *("Сколько весит?", "сколько идёт доставка", "Сколько человек помещается?"),
        *("Quanto tempo demora?", "quanto pesa?", "Quantas pessoas cabem?"),
    ],
)
def test_something_else_is_asked(question: str) -> None:
    assert not asks_price(question)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "It is 12 euro.",
            "Price: €30",
            "Delivery is free of charge.",
            "The fee depends on the size.",
            "$5",
        ),
        *("300 рублей", "Доставка бесплатная.", "Стоимость зависит от размера."),
        *("São 90 reais.", "É grátis.", "Preço: R$ 90"),
    ],
)
def test_price_is_told(text: str) -> None:
    assert tells_price(text)


@pytest.mark.parametrize(
    "text",
    [
        "What are your opening hours?\nWe are open from 9 am to 7 pm.",
        "Чистите ли вы ковры?\nЧистим в мастерской, 2 дня.",
        "Onde fica a escola?\nNa Rua das Flores, 10.",
    ],
)
def test_no_price_is_told(text: str) -> None:
    assert not tells_price(text)
