"""Templates of sources: what they can do, and that they cannot do anything else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from jinja2 import TemplateError

from retrieval_service.domain.documents.source_templates import columns_of, compiled, fault, rendered


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


def test_missing_column_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(TemplateError, match="'price' is undefined"):
        render("{{ price }}", title="Tea")


def test_columns_of_a_template_are_those_it_names() -> None:
    template = "{{ title }} {% for item in items %}{{ item.name }} {{ loop.index }}{% endfor %}"
    assert columns_of(template) == {"title", "items"}
