"""What questions in three languages want of a number, and which numbers are none of a wish's."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.domain.numeric_lists.wishes import Aim, Range, Wish, wish_of


def wish(question: str) -> Wish:
    found = wish_of(question)
    assert found
    return found


def within(question: str) -> Range:
    found = wish(question).within
    assert found
    return found


@pytest.mark.parametrize(
    "question",
    [
        *(
            "kites under 40",
            "kites below $40",
            "kites cheaper than 40 dollars",
            "Kites for less than forty dollars",
        ),
        *("змеи дешевле 40", "змеи меньше 40 рублей", "воздушные змеи менее сорока рублей"),
        *("pipas abaixo de 40 reais", "pipas por menos de R$ 40", "pipas mais baratas que quarenta reais"),
    ],
)
def test_what_lies_below_is_not_the_amount_itself(question: str) -> None:
    assert within(question) == Range(upper=Decimal(40), is_upper_strict=True)


@pytest.mark.parametrize(
    "question",
    [
        *(
            "kites up to 1200",
            "kites no more than $1,200",
            "kites for 1200 dollars or less",
            "kites, budget $1200",
        ),
        *(
            "змеи до 1200",
            "змеи не дороже 1200 рублей",
            "змеи до 1,2 тыс. рублей",
            "змеи 1200 рублей и дешевле",
        ),
        *(
            "pipas até 1200",
            "pipas até R$ 1.200",
            "pipas não mais que 1200 reais",
            "pipas no máximo 1200 reais",
        ),
    ],
)
def test_up_to_includes_the_amount(question: str) -> None:
    assert within(question) == Range(upper=Decimal(1200))


@pytest.mark.parametrize(
    "question",
    [
        *("kites over 300", "kites more than $300", "kites that are more expensive than 300 dollars"),
        *(
            "змеи дороже 300",
            "змеи больше 300 рублей",
            "pipas acima de 300 reais",
            "pipas mais caras que R$ 300",
        ),
    ],
)
def test_what_lies_above_is_not_the_amount_itself(question: str) -> None:
    assert within(question) == Range(lower=Decimal(300), is_lower_strict=True)


@pytest.mark.parametrize(
    "question",
    [
        *("kites between 20 and 30", "kites from $20 to $30", "kites for 20-30 dollars"),
        *("змеи от 20 до 30", "змеи между 20 и 30 рублями", "змеи за 20–30 рублей"),
        *("pipas entre 20 e 30 reais", "pipas a partir de 20 até 30 reais"),
    ],
)
def test_both_ends(question: str) -> None:
    assert within(question) == Range(lower=Decimal(20), upper=Decimal(30))


@pytest.mark.parametrize(
    "question",
    [
        *("kites under 30 dollars and over 20 dollars", "kites over $20 and under $30"),
        *("змеи дороже 20 и дешевле 30 рублей", "pipas acima de 20 e abaixo de 30 reais"),
    ],
)
def test_two_bounds_are_one_range(question: str) -> None:
    both = Range(lower=Decimal(20), upper=Decimal(30), is_lower_strict=True, is_upper_strict=True)
    assert within(question) == both
    assert len(wish(question).subject) == 1


@pytest.mark.parametrize("question", ["kites from $20-$30", "змеи от 20-30 ₽", "pipas de R$ 20-R$ 30"])
def test_a_dash_parts_both_ends(question: str) -> None:
    assert within(question) == Range(lower=Decimal(20), upper=Decimal(30))


@pytest.mark.parametrize(
    "question",
    [
        *(
            "kites under 40 dollars and up to 3 kg",
            "kites under 50 and under 20",
            "kites over 50 and under 20",
        ),
        *(
            "kites over 20 euros and under 50 dollars",
            "змеи до 500 рублей и до 2 кг",
            "pipas até 50 reais e até 20",
        ),
        *(
            "three cheapest kites",
            "the 3 cheapest kites",
            "три самых дешёвых змея",
            "as 3 mais baratas pipas",
        ),
        *(
            "kites without tails under 40",
            "воздушные змеи без хвоста до 4000 рублей",
            "pipas sem cauda até 40 reais",
        ),
        *("cheapest kite not Heron", "самый дешёвый змей кроме Цапли", "a pipa mais barata exceto Garça"),
        "cheapest and most expensive kite",
    ],
)
def test_what_no_list_can_say_is_no_wish(question: str) -> None:
    assert wish_of(question) is None


@pytest.mark.parametrize(
    "question", ["kites about $40", "змеи около 40 рублей", "pipas por volta de 40 reais"]
)
def test_about_is_a_quarter_around(question: str) -> None:
    assert within(question) == Range(lower=Decimal(30), upper=Decimal(50), about=Decimal(40))


@pytest.mark.parametrize(
    ("question", "currency"),
    [
        ("kites under $40", "USD"),
        ("kites under 40 euros", "EUR"),
        ("змеи до 40 рублей", "RUB"),
        ("pipas até 40 reais", "BRL"),
        ("kites under 40", ""),
    ],
)
def test_currency(question: str, currency: str) -> None:
    assert wish(question).currency == currency


@pytest.mark.parametrize(
    ("question", "aim"),
    [
        ("Which kite is the cheapest?", Aim.LOWEST),
        ("What is your least expensive kite?", Aim.LOWEST),
        ("какой змей дешевле всего", Aim.LOWEST),
        ("самые недорогие змеи", Aim.LOWEST),
        ("qual a pipa mais barata?", Aim.LOWEST),
        ("a pipa mais em conta", Aim.LOWEST),
        ("the priciest kite", Aim.HIGHEST),
        ("самый дорогой змей", Aim.HIGHEST),
        ("Qual pipa é a mais cara?", Aim.HIGHEST),
        ("How many kites do you have?", Aim.COUNT),
        ("Сколько змеев у вас в продаже?", Aim.COUNT),
        ("Quantas pipas vocês vendem?", Aim.COUNT),
        ("Show me all kites", Aim.LIST),
        ("What kites do you sell?", Aim.LIST),
        ("Покажите всех змеев", Aim.LIST),
        ("Quais pipas vocês têm?", Aim.LIST),
    ],
)
def test_superlatives_counts_and_lists(question: str, aim: Aim) -> None:
    found = wish(question)
    assert (found.aim, found.measure) == (aim, "price")
    assert len(found.subject) == 1


@pytest.mark.parametrize(
    ("question", "aim", "measure"),
    [
        ("Which tent is the lightest?", Aim.LOWEST, "gram"),
        ("самая тяжёлая палатка", Aim.HIGHEST, "gram"),
        ("a barraca mais leve", Aim.LOWEST, "gram"),
        ("самый мощный насос", Aim.HIGHEST, "watt"),
        ("pump with the highest pressure", Aim.HIGHEST, ""),
        ("tents up to 3 kg", Aim.WITHIN, "gram"),
        ("смартфон от 256 ГБ", Aim.WITHIN, "гб"),
    ],
)
def test_other_measures_than_prices(question: str, aim: Aim, measure: str) -> None:
    found = wish(question)
    assert (found.aim, found.measure) == (aim, measure)


def test_subject_is_what_is_left() -> None:
    assert wish("Do you have a dry red wine for less than forty dollars?").subject == ("dry", "red", "wine")
    assert wish("Покажите, пожалуйста, чугунные сковороды до 3 тысяч рублей").subject == (
        "чугунные",
        "сковороды",
    )
    assert wish("Vocês têm panelas de ferro até 200 reais?").subject == ("panelas", "ferro")


@pytest.mark.parametrize(
    "question",
    [
        *("Qual pipa tem cauda?", "Quais pipas têm cauda?"),
        *(
            "Which kites do you have without a tail?",
            "Какие есть змеи без хвоста?",
            "Quais pipas sem cauda vocês têm?",
        ),
        *("How much is the red kite?", "сколько стоит змей", "quanto custa a pipa?"),
        *(
            "How many days do I have to return it?",
            "Сколько дней идёт посылка?",
            "Em quantas vezes posso pagar?",
        ),
        *("Is it open until 18:00?", "Вы работаете до 20:00?", "Until 6 pm?"),
        *("I found it cheaper elsewhere, will you match?", "Купил, а сегодня дешевле, вернёте разницу?"),
        *("kettles under 1.2.3 dollars", "1.2.3", "from 192.168.1.1 to 10.0.0.1", "between 1.2.3 and 4.5.6"),
        *(
            "до 31.12.2025 чайник",
            "чайник до 01.02.25 или раньше",
            "chaleira até 31.12.2025",
            "R$ 1,2,3 chaleira",
        ),
        "parcel under " + "9" * 44,
        *("А до скольки?", "up to", "до", "", "?"),
        "long " * 100,
    ],
)
def test_other_questions_are_no_wish(question: str) -> None:
    assert wish_of(question) is None


_PIECES = [
    *("1", "12", "1.2.3", "31.12.2025", "1,234", "1 000", "10.0.0.1", "0", "9" * 40, "²", "٣", "½"),
    *(".", ",", "-", "–", "/", ":", "%", "$", "€", "₽", "R$", " ", "\u00a0", "k", "тыс.", "mi", "kg"),
    *(
        "from ",
        " to ",
        "and ",
        "between ",
        "до ",
        "от ",
        "между ",
        " или дешевле",
        " or less",
        "até ",
        "entre ",
    ),
    *(
        "two",
        "hundred",
        "сто",
        "двадцать",
        "тысяч",
        "dois",
        "mil",
        "cem",
        "kettles",
        "how many ",
        "cheapest ",
    ),
]


@settings(max_examples=500, deadline=None, database=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=12))
def test_any_question_is_a_wish_or_none(pieces: list[str]) -> None:
    found = wish_of("".join(pieces))
    if found and found.within and found.within.lower is not None and found.within.upper is not None:
        assert found.within.lower <= found.within.upper


@pytest.mark.parametrize(
    ("question", "in_stock", "aim", "subject"),
    [
        ("cheapest kite out of stock", False, Aim.LOWEST, ("kite",)),
        ("pipa mais barata em estoque", True, Aim.LOWEST, ("pipa",)),
        ("What is in stock?", True, Aim.LIST, ()),
        ("What do you have available?", True, Aim.LIST, ()),
        ("which lamps are sold out", False, Aim.LIST, ("lamps",)),
        ("oboes in stock", True, Aim.LIST, ("oboes",)),
        ("What is out of stock right now?", False, Aim.LIST, ()),
        ("Что есть в наличии?", True, Aim.LIST, ()),
        ("Какие лодки сейчас в наличии?", True, Aim.LIST, ("лодки",)),
        ("чего сейчас нет в наличии", False, Aim.LIST, ()),
        ("сколько лодок в наличии", True, Aim.COUNT, ("лодок",)),
        ("O que tem em estoque?", True, Aim.LIST, ()),
        ("Quais abajures estão disponíveis?", True, Aim.LIST, ("abajures",)),
        ("o que está esgotado?", False, Aim.LIST, ()),
        ("lamps under 40 dollars in stock", True, Aim.WITHIN, ("lamps",)),
    ],
)
def test_stock_that_is_asked_for(question: str, in_stock: bool, aim: Aim, subject: tuple[str, ...]) -> None:
    wish = wish_of(question)
    assert wish
    assert (wish.in_stock, wish.aim, wish.subject) == (in_stock, aim, subject)


@pytest.mark.parametrize(
    "question",
    [
        "Is the oboe in stock?",
        "What if it is out of stock?",
        "When will the oboe be back in stock?",
        "Что делать, если товара нет в наличии?",
        "Есть ли гобой в наличии?",
        "Como sei se o oboé está disponível?",
        "O que acontece quando o produto está esgotado?",
    ],
)
def test_whether_one_thing_is_in_stock_is_no_list(question: str) -> None:
    assert wish_of(question) is None
