"""Opposites are told apart in three languages."""

from __future__ import annotations

import pytest

from retrieval_service.text.polarity import Stance, named, polarity, stances, without_wishes

PAIRS = [
    # The question, what fits it, the opposite.
    ("en", "Do you have soup with onions?", "Soup of the day with onions.", "Clear soup without onions."),
    ("en", "Which paint has solvents?", "Oil paint with solvents.", "Wall paint, solvent-free."),
    ("en", "Is there a solvent-free paint?", "Wall paint, solvent-free.", "Oil paint with solvents."),
    ("en", "Do you sell unscented candles?", "Unscented candles in glass.", "Scented candles in glass."),
    ("en", "Which room has no balcony?", "Room 12 does not have a balcony.", "Room 14 has a balcony."),
    ("ru", "В каком шампуне есть сульфаты?", "Шампунь с сульфатами.", "Шампунь без сульфатов."),
    ("ru", "Есть шампунь без сульфатов?", "Шампунь без сульфатов.", "Шампунь с сульфатами."),
    ("ru", "Какая краска не содержит свинца?", "Краска не содержит свинца.", "Краска содержит свинец."),
    ("ru", "Нужна нескользкая плитка", "Плитка нескользкая, для ванной.", "Плитка скользкая, для стен."),
    ("pt", "Qual tinta tem solvente?", "Tinta a óleo com solvente.", "Tinta de parede sem solvente."),
    ("pt", "Vocês têm vela sem perfume?", "Vela sem perfume.", "Vela com perfume."),
    ("pt", "Qual caneca vai ao micro-ondas?", "Caneca que vai ao micro-ondas.", "Não vai ao micro-ondas."),
    ("pt", "Qual quarto não tem varanda?", "O quarto 12 não tem varanda.", "O quarto 14 tem varanda."),
]


@pytest.mark.parametrize(("language", "question", "fitting", "opposite"), PAIRS)
def test_the_opposite_of_what_was_asked_is_told(
    language: str, question: str, fitting: str, opposite: str
) -> None:
    told = stances(question, [fitting, opposite], language)
    assert told[0] is not Stance.OPPOSES
    assert told[1] is Stance.OPPOSES


FITS, OPEN, OPPOSES, FREE = Stance.FITS, Stance.OPEN, Stance.OPPOSES, Stance.FREE


@pytest.mark.parametrize(
    ("language", "question", "texts"),
    [
        ("en", "shirt without a pocket", {"No pocket.": FITS, "Linen.": OPEN, "With a pocket.": OPPOSES}),
        ("en", "a boat with no canopy", {"Canopy-free.": FITS, "Wooden.": OPEN, "Has a canopy.": OPPOSES}),
        ("en", "jam without added sugar", {"Without sugar.": FITS, "Plum.": OPEN, "Sugar, plums.": OPPOSES}),
        ("en", "lamp with a dimmer", {"Dimmer.": FITS, "Brass.": FREE, "Without a dimmer.": OPPOSES}),
        ("ru", "капкейки не шоколадные", {"Ванильные.": OPEN, "Шоколадные.": OPPOSES}),
        ("ru", "капкейки без вишни", {"Без вишни.": FITS, "Крем.": OPEN, "С вишней внутри.": OPPOSES}),
        ("ru", "торт с орехами", {"Орехи.": FITS, "Крем.": FREE, "Без орехов.": OPPOSES}),
        ("pt", "cartão sem verniz", {"Sem verniz.": FITS, "Couché.": OPEN, "Verniz localizado.": OPPOSES}),
        ("pt", "caneca com alça", {"Com alça.": FITS, "Vidro.": FREE, "Sem alça.": OPPOSES}),
        ("pt", "caneca que não vai ao micro-ondas", {"Vidro.": OPEN, "Vai ao micro-ondas.": OPPOSES}),
        # Nobody speaks of it: of an absence that proves nothing, and of a trouble it says nothing.
        ("en", "gluten-free bread", {"Rye.": OPEN, "Lactose-free.": OPEN}),
        ("ru", "не включается чайник", {"Чайник 1,7 л.": FREE, "Утюг.": FREE}),
        ("en", "a rye bread", {"Rye.": FREE}),
    ],
)
def test_what_a_text_says_of_a_wish_is_told(language: str, question: str, texts: dict[str, Stance]) -> None:
    assert stances(question, list(texts), language) == list(texts.values())


def test_of_several_wishes_the_one_that_is_fulfilled_least_counts() -> None:
    assert stances("bread without nuts, without salt", ["No nuts. With salt.", "No nuts."], "en") == [
        OPPOSES,
        OPEN,
    ]


@pytest.mark.parametrize(
    ("language", "text", "absent", "affirmed"),
    [
        ("en", "Without nuts, milk and eggs.", ["nuts", "milk", "eggs"], []),
        ("ru", "Без орехов, сахара и глютена. Вкусный.", ["орехов", "сахара", "глютена"], ["вкусный"]),
        (
            "pt",
            "Sem glúten e lactose, leve e crocante demais.",
            ["glúten", "lactose"],
            ["crocante", "demais"],
        ),
        ("en", "Without nuts, crunchy.", ["nuts"], []),
    ],
)
def test_list_of_what_is_absent_is_absent(
    language: str, text: str, absent: list[str], affirmed: list[str]
) -> None:
    told = polarity(text, language)
    assert list(told.absent) == absent
    assert list(told.affirmed) == affirmed


def test_product_is_named_by_all_the_words_that_no_other_title_has() -> None:
    titles = ["Electric boat", "Rowing skiff", "Honey cake", "Carrot cake"]
    assert named("is there nut in the honey one?", titles, "en") == [False, False, True, False]
    assert named("boat without a canopy", titles, "en") == [False] * 4
    assert named("cake without carrot", titles, "en") == [False] * 4


def test_rest_of_a_question_is_what_the_thing_is() -> None:
    assert without_wishes("A shirt without chest pockets, please", "en") == "a shirt without please"
    assert without_wishes("капкейки с вишней", "ru") == "капкейки с вишней"
