"""Whether passages answer a question, and which of them does best."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.indexing.lexical import TermStatistics, indexed_text, passage_terms
from retrieval_service.domain.retrieval.relevance import Candidate, Evidence, standing, verdict_of, weigh
from retrieval_service.domain.verdicts import Verdict

PASSAGES = {
    "ru": (
        ("Сколько стоит доставка?", "По России 290 ₽, от 3000 ₽ бесплатно."),
        ("Как вернуть заказ?", "Нажмите «Вернуть» в личном кабинете в течение 14 дней."),
        ("Чем заварить сенчу?", "Водой 75 °C, две минуты."),
    ),
    "en": (
        ("How much is delivery?", "₽290 within Russia, free from ₽3,000."),
        ("How do I return an order?", "Press “Return” in your account within 14 days."),
        ("How do I brew sencha?", "With water of 75 °C, two minutes."),
    ),
    "pt": (
        ("Quanto custa a entrega?", "290 rublos na Rússia, grátis a partir de 3.000."),
        ("Como devolver um pedido?", "Clique em “Devolver” na sua conta em até 14 dias."),
        ("Como preparar sencha?", "Com água a 75 °C, dois minutos."),
    ),
}


def candidates(language: str) -> list[Candidate]:
    return [
        Candidate(fragment=fragment(number, title, text, language), heading="", closeness=None)
        for number, (title, text) in enumerate(PASSAGES[language], start=1)
    ]


def fragment(number: int, title: str, text: str, language: str) -> Fragment:
    return Fragment(
        number=number,
        document_id=f"d{number}",
        chunk_id=f"c{number}",
        title=title,
        url="",
        text=text,
        language=language,
        score=1.0,
    )


def statistics() -> TermStatistics:
    terms = [
        passage_terms(indexed_text(title, "", text), language)
        for language, passages in PASSAGES.items()
        for title, text in passages
    ]
    return TermStatistics.from_vectors(
        len(terms), [one.stems.indices for one in terms], [one.grams.indices for one in terms]
    )


def evidence(question: str, language: str) -> list[Evidence]:
    return weigh(question, candidates(language), statistics())


@pytest.mark.parametrize(
    ("question", "language", "best"),
    [
        ("почем привезете посылку", "ru", 0),
        ("хочу сдать товар обратно, вернуть", "ru", 1),
        ("какой водой заваривать сенчу", "ru", 2),
        ("what does shipping cost", "en", 0),
        ("I want to send my order back, returns", "en", 1),
        ("sencha brewing water", "en", 2),
        ("qual o valor do frete", "pt", 0),
        ("quero devolver meu pedido", "pt", 1),
        ("como faço sencha", "pt", 2),
    ],
)
def test_passage_that_answers_stands_first_and_is_relevant(question: str, language: str, best: int) -> None:
    weighed = evidence(question, language)
    standings = [standing(one, 0.5) for one in weighed]
    assert standings.index(max(standings)) == best
    assert verdict_of(weighed[best]) is Verdict.ANSWERS


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("можно прийти с собакой?", "ru"),
        ("кто выиграл чемпионат мира по футболу", "ru"),
        ("are dogs allowed inside", "en"),
        ("what is the capital of Australia", "en"),
        ("posso entrar com meu cachorro?", "pt"),
        ("qual a fórmula da área do círculo", "pt"),
    ],
)
def test_nothing_is_relevant_to_what_no_document_speaks_of(question: str, language: str) -> None:
    assert all(verdict_of(one) is not Verdict.ANSWERS for one in evidence(question, language))


def test_what_no_document_knows_speaks_against_all_of_them() -> None:
    known, unknown = evidence("доставка", "ru")[0], evidence("доставка гравировка франшиза", "ru")[0]
    assert known.unknown == 0
    assert unknown.unknown > 0.5


def test_meaning_counts_only_where_the_model_has_a_say() -> None:
    silent = evidence("what does shipping cost", "en")[0]
    weak, strong = replace(silent, closeness=0.05), replace(silent, closeness=0.7)
    assert standing(weak, 0.5) < standing(strong, 0.5)
    assert verdict_of(strong) is Verdict.ANSWERS


def test_question_without_any_word_is_about_nothing() -> None:
    assert all(verdict_of(one) is Verdict.NOTHING for one in evidence("?!", "en"))


def test_no_candidates_give_no_evidence() -> None:
    assert weigh("delivery", [], statistics()) == []


def distinct(question: str, by: float) -> Evidence:
    """Of the English passage about delivery, nearer to the question than unrelated ones by so many deviations."""
    measured = [replace(one, closeness=0.5, reads_well=True, distinction=by) for one in candidates("en")]
    return weigh(question, measured, statistics())[0]


@pytest.mark.parametrize(
    ("question", "by", "verdict"),
    [
        ("how much is delivery", 3.0, Verdict.ANSWERS),
        ("how much is delivery to iceland", 3.0, Verdict.PERHAPS),
        ("How much is delivery to Iceland?", 5.0, Verdict.PERHAPS),
        ("How much is delivery of 40 parcels?", 5.0, Verdict.PERHAPS),
        ("How much is delivery of forty parcels?", 5.0, Verdict.PERHAPS),
        ("how much is delivery from three thousand", 3.0, Verdict.ANSWERS),
        ("how much is delivery from four thousand", 3.0, Verdict.PERHAPS),
        ("how much is delivery from 3000", 3.0, Verdict.ANSWERS),
        ("what must I pay the courier", 5.0, Verdict.ANSWERS),
        ("what must I pay the courier", 3.0, Verdict.PERHAPS),
        ("How much is delivery to Iceland?", 2.7, Verdict.PERHAPS),
        ("How much is delivery to Iceland?", 2.5, Verdict.NOTHING),
        ("Have you a table for four?", 2.5, Verdict.NOTHING),
        ("what must I pay the courier", 2.2, Verdict.PERHAPS),
        ("what must I pay the courier", 2.0, Verdict.NOTHING),
        ("delivery", 0.0, Verdict.PERHAPS),
        ("Russia delivery?", 0.0, Verdict.PERHAPS),
        ("Iceland delivery?", 0.0, Verdict.NOTHING),
        ("delivery 290", 0.0, Verdict.PERHAPS),
        ("delivery 300", 0.0, Verdict.NOTHING),
    ],
)
def test_what_is_lacking_must_be_made_up_for_by_meaning(question: str, by: float, verdict: Verdict) -> None:
    assert verdict_of(distinct(question, by)) is verdict
