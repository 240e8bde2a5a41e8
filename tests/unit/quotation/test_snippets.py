"""What readers see of a source."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.domain.documents.entries import Entry
from retrieval_service.domain.documents.templates import Attribute, render_policy
from retrieval_service.domain.quotation.snippets import MAX_CHARACTERS, snippet
from tests.kits.entries_kit import render_faq, render_product


def test_product_shows_its_description_and_price_but_not_its_name_again() -> None:
    attributes = [Attribute(name="origin", value="Вологда")]
    text = render_product(
        name="Иван-чай", description="Мягкий.", price="290 ₽", attributes=attributes, language="ru"
    )
    shown = snippet(text, text.entry)
    assert shown.startswith("Мягкий.")
    assert "290 ₽" in shown
    assert "Название" not in shown
    assert "Описание" not in shown


def test_faq_shows_its_answer_alone() -> None:
    text = render_faq(question="How long?", answer="Two days.", language="en")
    assert snippet(text, text.entry) == "Two days."


def test_policy_shows_neither_its_title_nor_markup() -> None:
    text = render_policy(title="Returns", content="## Period\n\nYou have **14 days**.")
    assert snippet(text, Entry(title="Returns")) == "Period\n\nYou have 14 days."


def test_text_that_is_only_a_title_is_shown() -> None:
    assert snippet("Returns", Entry(title="Returns")) == "Returns"


@given(st.text(), st.text())
def test_snippet_is_never_longer_than_promised(text: str, title: str) -> None:
    assert len(snippet(text, Entry(title=title))) <= MAX_CHARACTERS


def test_table_is_shown_without_its_pipes() -> None:
    text = "Fees:\n\n| Country | Price |\n|---|--:|\n| Spain | 14 euro |\n\nAsk us."
    assert snippet(text, Entry()) == "Fees:\n\nCountry: Spain, Price: 14 euro\n\nAsk us."


def test_links_tags_and_emphasis_are_no_part_of_a_snippet() -> None:
    text = '## Ways\n\n<a id="ways"></a>\n- [_By boat_](https://pier.example/boat)\n- **On foot**'
    assert snippet(text, Entry()) == "Ways\n\n\n- By boat\n- On foot"
