"""Templates of sources: what they can do, and that they cannot do anything else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from jinja2 import TemplateError

from retrieval_service.domain.documents.source_templates import columns_of, compiled, failure, fault, rendered


def render(template: str, **row: Any) -> str:
    assert fault(template) == ""
    return rendered(compiled(template), row)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ title }}: {{ price }}", "Чай: 4.50"),
        ("{{ nothing }}", ""),
        ("{{ nothing|default('—', true) }}", "—"),
        ("{% if price > 4 %}dear{% else %}cheap{% endif %}", "dear"),
        ("{% for item in items %}{{ loop.index }}. {{ item.name }}; {% endfor %}", "1. a; 2. b; "),
        ("{{ items[0].name|upper }}", "A"),
        ("{{ tags|join(', ') }}", "x, y"),
        ("{{ (price - 1)|round(1) ~ ' RUB' }}", "3.5 RUB"),
        ("{{ title if title is string else '' }}", "Чай"),
        ("<b>{{ html }}</b>", "<b><i></b>"),
    ],
)
def test_template_renders_columns(template: str, expected: str) -> None:
    items = [{"name": "a"}, {"name": "b"}]
    row = {"title": "Чай", "price": Decimal("4.50"), "nothing": None, "items": items, "tags": ["x", "y"]}
    assert render(template, **row, html="<i>") == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ title.upper() }}",
        "{{ range(10) }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum() }}",
        "{% set a = 'x' %}",
        "{% macro a() %}{% endmacro %}",
        "{% import 'other' as other %}",
        "{% include 'other' %}",
        "{% extends 'other' %}",
        "{% with a = 1 %}{{ a }}{% endwith %}",
        "{{ 'x' * 1000000000 }}",
        "{{ 9 ** 999999 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ rows|map(attribute='__class__')|list }}",
        "{{ title|attr('__class__') }}",
        "{{ title|pprint }}",
        "{% filter upper %}x{% endfilter %}",
        "{{ title",
        "{{" + "(" * 4_000 + "1" + ")" * 4_000 + "}}",
        "{{ 1" + " + 1" * 2_400 + " }}",
        "{{ 1" + " + 1" * 250 + " }}",
    ],
)
def test_template_that_wants_more_is_refused(template: str) -> None:
    assert fault(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ title.upper }}",
        "{{ title.__class__ }}",
        "{{ title['__class__'] }}",
        "{{ row.items }}",
        "{{ self.__class__ }}",
        "{{ range }}",
        "{{ dict }}",
        "{{ config }}",
        "{% for one in tags %}{{ loop._iterable }}{% endfor %}",
        "{% for one in tags %}{{ loop.__init__ }}{% endfor %}",
        "{{ tags|sort(attribute='__class__') }}",
        "{{ tags|sum(attribute='__class__') }}",
        "{{ tags|join(attribute='__class__') }}",
        "{{ tags|max(attribute='__class__')|string }}",
    ],
)
def test_no_attribute_and_no_global_can_be_reached(template: str) -> None:
    """Refused when it is declared, or when a row is rendered."""
    if fault(template):
        return
    with pytest.raises((TemplateError, TypeError)):
        rendered(compiled(template), {"title": "Tea", "row": {"a": 1}, "tags": ["x", "y"]})


LONG = Decimal("12345678901234567890123456789012345.125")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ p|abs }}", str(LONG)),
        ("{{ p + 0 }}", str(LONG)),
        ("{{ 0 - p }}", f"-{LONG}"),
        ("{{ -p ~ '' }}", f"-{LONG}"),
        ("{{ (p + 0) ~ ' руб.' }}", f"{LONG} руб."),
        ("{{ [p, tiny]|sum }}", f"{LONG}0000001"),
        ("{{ lines|sum(attribute='price') }}", "1000000000000000000000000000000.1"),
        ("{{ p|round(2) }}", "12345678901234567890123456789012345.12"),
        ("{{ p|round(2, 'ceil') }}", "12345678901234567890123456789012345.13"),
        ("{{ p|round(-2, 'floor') }}", "12345678901234567890123456789012300"),
        ("{{ p / 3 }}", "4115226300411522630041152263004115.04"),
        ("{{ price / 4 }} {{ 450 / 100 }} {{ 1 / price }}", "0.275 4.5 0.9090909090909090909090909091"),
        ("{{ tiny }} {{ tiny|string }} {{ tiny ~ '' }}", "0.0000000001 0.0000000001 0.0000000001"),
    ],
)
def test_numbers_of_any_length_are_exact_and_without_an_exponent(template: str, expected: str) -> None:
    lines = [{"price": Decimal("0.1")}, {"price": Decimal("1E+30")}]
    row = {"p": LONG, "tiny": Decimal("1E-10"), "price": Decimal("1.10"), "lines": lines}
    assert render(template, **row) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ prices }}", "1.10, 100"),
        ("{{ prices|string|upper }} {{ prices ~ '!' }}", "1.10, 100 1.10, 100!"),
        ("{{ prices|join(' / ') }}", "1.10 / 100"),
        ("{{ prices|sort }} {{ prices|unique }} {{ prices[:1] }}", "1.10, 100 1.10, 100 1.10"),
        ("{{ size }}", "cm: 1.10, colours: azul, белый"),
        ("{{ [size.cm, none, 'x'] }} {{ (1, 2) }}", "1.10, x 1, 2"),
        ("{{ size|length }} {{ prices is sequence }} {{ size is mapping }}", "2 True True"),
    ],
)
def test_lists_and_objects_are_written_for_people(template: str, expected: str) -> None:
    size = {"cm": Decimal("1.10"), "colours": ["azul", None, "белый"]}
    assert render(template, prices=[Decimal("1.10"), Decimal("1E+2")], size=size) == expected


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ p / 0 }}", "a number is divided by zero"),
        ("{{ 1 / zero }}", "a number is divided by zero"),
        ("{{ p|round(351) }}", "round takes at most 350 digits, and common, ceil or floor"),
        ("{{ p|round(2, 'up') }}", "round takes at most 350 digits, and common, ceil or floor"),
        ("{{ longest + 1 }}", "a number has more than 700 digits"),
        ("{{ longest|round(2) }}", "there is no such number, or it has more than 700 digits"),
        ("{{ p + 'a' }}", "unsupported operand type(s) for +: 'Number' and 'str'"),
    ],
)
def test_failure_is_told_in_words(template: str, said: str) -> None:
    with pytest.raises((TemplateError, TypeError, ArithmeticError)) as caught:
        render(template, p=LONG, zero=0, longest=Decimal("7" * 701))
    assert failure(caught.value) == said


def test_missing_column_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(TemplateError, match="'price' is undefined"):
        render("{{ price }}", title="Tea")


def test_columns_of_a_template_are_those_it_names() -> None:
    template = "{{ title }} {% for item in items %}{{ item.name }} {{ loop.index }}{% endfor %}"
    assert columns_of(template) == {"title", "items"}
