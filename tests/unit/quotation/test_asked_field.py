"""Of many fields the one that is asked for is told, by its words and by its meaning."""

from __future__ import annotations

from retrieval_service.domain.documents.entries import PRODUCT, Entry, fields_of
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.quotation.asked_field import asked_of, meant, statements_of
from retrieval_service.domain.quotation.quotes import quotes_of


def _fragment(*, meant_sentences: tuple[str, ...] = ()) -> Fragment:
    entry = Entry(
        source_type=PRODUCT,
        title="Curlew lamp",
        language="en",
        metadata={"price": 40, "currency": "USD", "in_stock": True, "power_w": 9, "shade": "linen"},
    )
    return Fragment(
        number=1,
        document_id="lamp",
        chunk_id="lamp",
        title=entry.title,
        url="",
        text="",
        language="en",
        score=1.0,
        fields=fields_of(entry, "Name: Curlew lamp\nDescription: It bends. It stands on a desk."),
        meant=meant_sentences,
    )


def _sentences(asked: str, closeness: dict[str, float]) -> tuple[str, ...]:
    statements = statements_of(_fragment())
    return meant(asked, "en", statements, [closeness.get(one.meaning, 0.5) for one in statements])


def test_price_stock_sentences_and_fields_are_compared() -> None:
    pairs = [(one.meaning, one.sentence) for one in statements_of(_fragment())]
    assert pairs == [
        ("Price", ""),
        ("in stock", ""),
        ("It bends. It stands on a desk.", "It bends. It stands on a desk."),
        ("Power, W", "Power: 9 W"),
        ("Shade", "Shade: linen"),
    ]


def test_nearest_by_meaning_is_told() -> None:
    assert _sentences("How strong is it?", {"Power, W": 0.6}) == ("Power: 9 W",)


def test_word_decides_between_what_is_nearly_as_near() -> None:
    assert _sentences("Is the shade thick?", {"Power, W": 0.51}) == ("Shade: linen",)


def test_second_word_is_told_too() -> None:
    assert _sentences("shade and power", {"Shade": 0.6}) == ("Shade: linen", "Power: 9 W")


def test_price_alone_is_told_without_any_field() -> None:
    [quote] = quotes_of(_fragment(meant_sentences=_sentences("How much is it?", {"Price": 0.7})))
    assert quote.text == "Curlew lamp ($40, in stock: yes)"


def test_only_what_is_meant_is_quoted() -> None:
    [quote] = quotes_of(_fragment(meant_sentences=("Power: 9 W",)))
    assert quote.text == "Curlew lamp ($40, in stock: yes) — Power: 9 W"


def test_name_of_the_product_asks_nothing() -> None:
    assert asked_of("tell me about the Curlew lamp", [_fragment()]) == ""
    assert asked_of("How much is the Curlew lamp?", [_fragment()]) == "How much is the"
    assert asked_of("Curlew lamps power?", [_fragment()]) == "power?"
