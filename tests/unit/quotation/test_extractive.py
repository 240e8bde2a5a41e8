"""An answer without a model quotes the right sentences and cites them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.domain.answering.checked_stream import CheckedText
from retrieval_service.domain.answering.citations import CitationStream, Cited, Delta
from retrieval_service.domain.answering.grounding import Flagged
from retrieval_service.domain.answering.phrases import not_found_text
from retrieval_service.domain.documents.entries import Field
from retrieval_service.domain.documents.templates import Attribute, Role, render_policy
from retrieval_service.domain.fragments import AnswerPart, Ending, FinishReason, Fragment, Prompt, TextPart
from retrieval_service.domain.quotation.quotes import MAX_UNIT, quotes_of
from retrieval_service.providers.local.extractive import MAX_ANSWER, ExtractiveAnswerer, compose
from tests.kits.entries_kit import fields_in, render_faq, render_product

SHIPPING = render_faq(
    question="Сколько стоит доставка?",
    answer="По Москве 300 ₽. Дороже 3000 ₽ — бесплатно. Возим каждый день.",
    language="ru",
)
RETURNS = render_policy(
    title="Возврат товара",
    content="## Срок\n\nВернуть покупку можно за 14 дней.\n\n## Деньги\n\n- Деньги приходят за 10 дней.",
)


def product(name: str, description: str, *, language: str = "ru", tags: str = "вечер") -> str:
    return render_product(
        name=name,
        description=description,
        price="390 ₽",
        attributes=[Attribute(name="tags", value=tags), Attribute(name="origin", value="Индия")],
        language=language,
    )


ASSAM = product("Ассам", "Плотный утренний чай. Заваривайте четыре минуты.", tags="утро")
ROOIBOS = product("Ройбуш", "Чай без кофеина на вечер.")
MINT = product("Мята", "Сбор для сна без кофеина.")


def fragment(
    number: int, text: str, *, language: str = "ru", score: float = 0.5, title: str = ""
) -> Fragment:
    return Fragment(
        number=number,
        document_id=f"document-{number}",
        chunk_id=f"chunk-{number}",
        title=title,
        url="",
        text=text,
        language=language,
        score=score,
        fields=fields_in(text),
    )


def prompt(question: str, *fragments: Fragment, language: str = "ru") -> Prompt:
    return Prompt(
        question=question,
        language=language,
        shop_name="Чайная миля",
        fallback_contact="help@shop.example",
        instructions="",
        fragments=fragments,
    )


def answer(question: str, *texts: str, language: str = "ru") -> str:
    """The first text is the one that retrieval is surest of."""
    fragments = [
        fragment(number, text, language=language, score=1 / number) for number, text in enumerate(texts, 1)
    ]
    return "".join(compose(prompt(question, *fragments, language=language)))


async def test_stream_is_one_unit_a_part_and_one_ending() -> None:
    answerer = ExtractiveAnswerer()
    parts: list[AnswerPart] = [
        part async for part in answerer.stream(prompt("сколько стоит доставка", fragment(1, SHIPPING)))
    ]
    assert answerer.name == "extractive"
    assert [part.text for part in parts if isinstance(part, TextPart)] == [
        "По нашим материалам:",
        "\nПо Москве 300 ₽. [1] Дороже 3000 ₽ — бесплатно. [1] Возим каждый день. [1]",
    ]
    assert parts[-1] == Ending(finish_reason=FinishReason.STOP)
    assert sum(isinstance(part, Ending) for part in parts) == 1
    await answerer.close()


async def test_fragments_without_a_sentence_are_no_answer() -> None:
    parts = [part async for part in ExtractiveAnswerer().stream(prompt("Где?", fragment(1, "## Заголовок")))]
    assert parts == [Ending(finish_reason=FinishReason.NO_RELEVANT_CONTENT)]


def test_faq_is_answered_without_its_question_and_labels() -> None:
    text = answer("Доставка сколько стоит", SHIPPING)
    assert "300 ₽" in text
    assert "Сколько стоит" not in text
    assert "Ответ" not in text


@pytest.mark.parametrize(
    ("language", "question", "asked"),
    [
        ("en", "Is there a deposit for day boats?", "Is there a deposit for kayaks?"),
        ("en", "Is there a deposit for day boats?", "Can I hire day boats without a deposit?"),
        ("ru", "Нужна ли предоплата?", "Можно без предоплаты?"),
        ("ru", "Работаете ли вы с юридическими лицами?", "Работаете ли вы с физическими лицами?"),
        ("pt", "Posso cancelar um pedido?", "Posso cancelar depois da aprovação?"),
        ("pt", "Vocês emitem nota fiscal?", "Não emitem nota fiscal?"),
    ],
)
def test_answer_to_another_question_stands_under_the_question_that_it_answers(
    language: str, question: str, asked: str
) -> None:
    faq = render_faq(question=question, answer="Yes, £50.", language=language)
    assert answer(asked, faq, language=language).endswith(f"\n{question}\nYes, £50. [1]")
    assert question not in answer(question.rstrip("?").lower(), faq, language=language)


def test_question_stands_once_above_an_answer_in_several_paragraphs() -> None:
    paragraphs = [f"За МКАД {number} ₽ " + "и ещё немного " * 30 + "." for number in range(300, 303)]
    faq = render_faq(question="Доставка далеко", answer="\n\n".join(paragraphs), language="ru")
    assert answer("сколько стоит за мкад", faq).count("Доставка далеко") == 1


def test_rows_of_one_table_stand_under_its_heading_once() -> None:
    rows = "| Ярусов | Цена |\n|---|---|\n| 1 | 2200 ₽ |\n| 2 | 2500 ₽ |\n| 3 | 2800 ₽ |"
    text = render_policy(title="Свадебные торты", content=f"## Цены\n\n{rows}")
    assert answer("сколько стоит трёхъярусный торт", text).splitlines()[1:] == [
        "Цены:",
        *(f"Ярусов: {tiers}, Цена: {price} ₽ [1]" for tiers, price in ((1, 2200), (2, 2500), (3, 2800))),
    ]
    assert answer("торт 3 яруса цена", text).splitlines()[1:] == ["Цены — Ярусов: 3, Цена: 2800 ₽ [1]"]


def test_citation_begins_below_the_question_above_an_answer() -> None:
    faq = render_faq(question="Есть ли «Ёлка» 🌲?", answer="Да, в двух залах.", language="ru")
    stream = CitationStream(frozenset({1}))
    events = [*stream.feed(answer("Есть ли берёза?", faq)), *stream.finish()]
    text = "".join(event.text for event in events if isinstance(event, Delta))
    spans = [text[event.start : event.end] for event in events if isinstance(event, Cited)]
    assert spans == ["Да, в двух залах."]


def test_product_is_named_with_its_price_and_the_sentence_that_matches() -> None:
    text = answer("сколько минут заваривать ассам", ASSAM)
    assert "Ассам (390 ₽) — " in text
    assert "Заваривайте четыре минуты. [1]" in text
    assert text.count("Ассам") == 1
    assert not re.search("Название|Описание|Цена|Теги", text)


@pytest.mark.parametrize(
    ("language", "question", "label", "value"),
    [
        ("ru", "Прага в наличии?", "В наличии", "да"),
        ("en", "Is Praga in stock?", "In stock", "yes"),
        ("pt", "Praga em estoque?", "Em estoque", "sim"),
    ],
)
def test_product_says_once_whether_it_is_in_stock(
    language: str, question: str, label: str, value: str
) -> None:
    stock = f"{label.lower()}: {value}"
    fields = (
        Field(role=Role.NAME, label="", text="Praga"),
        Field(role=Role.DESCRIPTION, label="", text="Sponge. Cream."),
        Field(role=Role.STOCK, label="", text=stock),
        Field(role=Role.ATTRIBUTE, label=label, text=value),
    )
    one = replace(fragment(1, "Sponge. Cream.", language=language), fields=fields)
    text = "".join(compose(prompt(question, one, language=language)))
    assert f"\nPraga ({stock})" in text
    assert text.casefold().count(stock) == 1
    assert text.endswith("[1]")


def test_description_that_is_the_name_alone_is_not_said_after_it() -> None:
    assert answer("ассам", product("Ассам", "Ассам.")).splitlines()[1].startswith("Ассам (390 ₽) [1]")


def test_property_of_a_product_can_be_the_answer() -> None:
    assert "Происхождение: Индия [1]" in answer("какое происхождение у ассама", ASSAM)


def test_policy_is_quoted_under_its_heading_and_without_markup() -> None:
    text = answer("когда придут деньги?", RETURNS)
    assert "Деньги — Деньги приходят за 10 дней. [1]" in text or "\nДеньги приходят за 10 дней. [1]" in text
    assert "#" not in text
    assert "- " not in text


def test_sentence_under_the_matching_heading_wins() -> None:
    lines = compose(prompt("какой срок на возврат", fragment(1, RETURNS, title="Возврат товара")))
    assert lines[1] == "\nСрок — Вернуть покупку можно за 14 дней. [1]"


@pytest.mark.parametrize(
    "question",
    [
        "Какой чай посоветуете на вечер без кофеина?",
        "Что взять без кофеина?",
        "Какой чай без кофеина выпить на ночь?",
    ],
)
def test_advice_is_a_list_of_products(question: str) -> None:
    texts = enumerate((ROOIBOS, SHIPPING, MINT, ASSAM), 1)
    fragments = [fragment(number, text, score=1 - number / 10) for number, text in texts]
    assert "".join(compose(prompt(question, *fragments))).splitlines() == [
        "По нашим материалам:",
        "- Ройбуш (390 ₽) — Чай без кофеина на вечер. [1]",
        "- Мята (390 ₽) — Сбор для сна без кофеина. [3]",
    ]


PERIOD = render_faq(question="За сколько дней можно вернуть заказ?", answer="За 14 дней.", language="ru")
STORAGE = render_faq(
    question="Сколько дней хранится заказ?", answer="Неделю: 7 дней с прибытия.", language="ru"
)


def quoted(question: str, *scored: tuple[str, float]) -> str:
    fragments = [fragment(number, text, score=score) for number, (text, score) in enumerate(scored, 1)]
    return "".join(compose(prompt(question, *fragments)))


def test_neighbour_is_not_quoted_beside_the_document_that_answers() -> None:
    said = quoted("Сколько дней можно возвращать заказ?", (PERIOD, 1.0), (STORAGE, 0.9))
    assert "[1]" in said
    assert "[2]" not in said


def test_document_that_retrieval_is_as_sure_of_is_quoted_too() -> None:
    said = quoted("Сколько дней хранится и возвращается заказ?", (PERIOD, 1.0), (STORAGE, 0.98))
    assert "[1]" in said
    assert "[2]" in said


def test_much_better_words_are_quoted_beside_the_surest_document() -> None:
    said = quoted("сколько хранится?", (ASSAM, 1.0), (STORAGE, 0.85))
    assert "[2]" in said


def test_one_document_at_most_is_quoted_beside_one_that_answers() -> None:
    others = [(STORAGE, 0.99), (SHIPPING, 0.98), (RETURNS, 0.98)]
    said = quoted("За сколько дней можно вернуть заказ?", (PERIOD, 1.0), *others)
    assert len(set(re.findall(r"\[\d\]", said))) <= 2


def test_same_sentence_is_quoted_once() -> None:
    assert answer("Сколько стоит доставка?", SHIPPING, SHIPPING).count("300 ₽") == 1


def test_rare_word_decides() -> None:
    one = "Доставка по городу бесплатная.\n\nДоставка в Омск стоит 700 ₽.\n\nДоставка бывает каждый день."
    assert compose(prompt("доставка в Омск", fragment(1, one)))[1] == "\nДоставка в Омск стоит 700 ₽. [1]"


def test_misspelt_word_is_understood() -> None:
    one = "Мы открыты до восьми.\n\nСертификат действует год.\n\nЗвоните нам."
    assert compose(prompt("подарочный сертефикат", fragment(1, one)))[1] == "\nСертификат действует год. [1]"


def test_beside_a_doubtful_document_search_and_words_together_choose() -> None:
    """The document of three words out of eight was found much later than the one of two."""
    fragments = (
        fragment(1, "Липовый мёд.", score=1.0),
        fragment(2, "Синий чайник кипит.", score=0.72),
        fragment(3, "Белая чашка.", score=0.95),
    )
    pieces = compose(prompt("липовый мёд синий чайник кипит белая чашка осень", *fragments))
    assert pieces[1:] == ["\nЛиповый мёд. [1]", "\nБелая чашка. [3]"]


def test_sentence_of_another_document_must_come_closer_than_one_of_the_same() -> None:
    """Two thirds of the best one's words are enough for the first document only."""
    question = "липовый мёд синий чайник кипит белая чашка осень поздняя"
    near, far = "Синий чайник.", "Белая чашка."
    first = fragment(1, f"Липовый мёд, поздняя.\n\n{near}", score=1.0)
    pieces = compose(prompt(question, first, fragment(2, far, score=0.98)))
    assert pieces[1:] == ["\nЛиповый мёд, поздняя. [1]", "\nСиний чайник. [1]"]


def test_question_without_a_shared_word_is_answered_by_the_surest_fragment() -> None:
    fragments = (
        fragment(1, "Чай вкусный.", score=0.2),
        fragment(2, "Кофе у нас крепкий.\n\nОн бодрит.", score=0.9),
    )
    assert compose(prompt("Хм?", *fragments)) == ["По нашим материалам:", "\nКофе у нас крепкий. [2]"]


@pytest.mark.parametrize(
    ("language", "lead_in"),
    [
        ("ru", "По нашим материалам:"),
        ("en", "From our materials:"),
        ("pt", "Segundo nossos materiais:"),
        ("de", "From our materials:"),
    ],
)
def test_lead_in_follows_the_question_and_quotes_keep_their_language(language: str, lead_in: str) -> None:
    one = fragment(1, SHIPPING, language="ru")
    pieces = compose(prompt("Omsk 300?", one, language=language))
    assert pieces[0] == lead_in
    assert pieces[1].startswith("\nСколько стоит доставка?\nПо Москве 300 ₽. [1]")


@pytest.mark.parametrize(
    ("language", "question", "text", "quoted"),
    [
        (
            "en",
            "How long do I have to return an order?",
            render_faq(question="Can I return goods?", answer="Yes. You have 14 days.", language="en"),
            "Yes. You have 14 days. [1]",
        ),
        (
            "pt",
            "quantos dias para devolver?",
            render_faq(question="Posso devolver?", answer="Sim. Você tem 14 dias.", language="pt"),
            "Sim. Você tem 14 dias. [1]",
        ),
    ],
)
def test_other_languages_are_quoted_too(language: str, question: str, text: str, quoted: str) -> None:
    assert quoted in answer(question, text, language=language)


def test_marker_inside_a_document_is_no_citation() -> None:
    text = answer("доставка", "Доставка бесплатная [2], как сказано【3】в правилах.", SHIPPING)
    assert "Доставка бесплатная (2), как сказано(3)в правилах. [1]" in text


def test_long_sentence_is_quoted_to_its_end() -> None:
    sentence = f"The warranty covers {'hinges, runners, handles, ' * 20}and whatever else is made of metal."
    others = ["Ask us about the rest of the furniture, too."] * 20
    text = answer("What does the warranty cover?", " ".join([sentence, *others]), language="en")
    assert f"{sentence} [1]" in text


def test_words_without_end_are_cut_at_a_word() -> None:
    quote = quotes_of(fragment(1, "слово " * 400))[0]
    assert len(quote.text) <= MAX_UNIT
    assert quote.text.endswith("слово…")


def test_citations_cover_exactly_the_quotes() -> None:
    stream = CitationStream(frozenset({1, 2}))
    pieces = compose(prompt("доставка и возврат", fragment(1, SHIPPING), fragment(2, RETURNS)))
    events = [event for piece in pieces for event in stream.feed(piece)] + stream.finish()
    text = "".join(event.text for event in events if isinstance(event, Delta))
    cited = [text[event.start : event.end] for event in events if isinstance(event, Cited)]
    assert "По Москве 300 ₽." in cited
    assert len(cited) == sum(piece.count("[") for piece in pieces)


@pytest.mark.parametrize("language", ["ru", "en", "pt", "xx"])
def test_not_found_names_shop_and_contact_when_there_are_any(language: str) -> None:
    text = not_found_text(language, "Mile {contact}", "help@shop.example")
    assert "Mile" in text
    assert text.endswith("help@shop.example")
    bare = not_found_text(language, "", "")
    assert bare.endswith(".")
    assert "{" not in bare


_TEXTS = st.lists(
    st.sampled_from(
        [
            "Название: ",
            "Ответ: ",
            "Вопрос: ",
            "Цена: ",
            "\n",
            ". ",
            "чай ",
            "[1]",
            "## ",
            "- ",
            "5 ",
            "Да",
            ":",
        ]
    )
    | st.text(max_size=4),
    max_size=30,
).map("".join)


@settings(max_examples=30)
@given(_TEXTS, st.lists(_TEXTS, max_size=4))
def test_any_fragments_give_a_short_answer_with_citations_of_theirs(question: str, texts: list[str]) -> None:
    pieces = compose(prompt(question, *(fragment(number, text) for number, text in enumerate(texts, 1))))
    assert len("".join(pieces)) <= MAX_ANSWER
    for piece in pieces[1:]:
        marker = re.search(r"\S \[(\d)\]\Z", piece)
        assert marker
        assert 1 <= int(marker[1]) <= len(texts)


def test_every_sentence_of_a_quote_cites_its_fragment() -> None:
    cocoa = product("Какао", "Кофеина мало. На снежный вечер и плохие новости.")
    said = "— Кофеина мало. [1] На снежный вечер и плохие новости. [1]"
    assert said in answer("где мало кофеина", cocoa)


@pytest.mark.parametrize(
    "question", ["сколько стоит доставка и когда возврат", "посоветуйте чай без кофеина", "ассам"]
)
def test_no_sentence_of_a_quotation_is_flagged(question: str) -> None:
    texts = (SHIPPING, RETURNS, ASSAM, ROOIBOS, MINT)
    asked = prompt(question, *(fragment(number, text) for number, text in enumerate(texts, start=1)))
    checked = CheckedText(asked)
    events = [event for piece in compose(asked) for event in checked.feed(piece)]
    assert not any(isinstance(event, Flagged) for event in [*events, *checked.finish()])


def test_name_in_letters_that_are_not_read_is_not_said() -> None:
    assert "Лампы" not in not_found_text("en", "Лампы", "")
    assert "Лампы" in not_found_text("ru", "Лампы", "")
    assert "Lumen" in not_found_text("ru", "Lumen", "")
