"""Templates that tenants' operators write: they see a row's columns and nothing else of this program."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

# All that a template may be made of: no call, no assignment, no import, nothing that multiplies its input.
ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Add,
    nodes.Sub,
    nodes.Div,
    nodes.Concat,
    nodes.Filter,
    nodes.Test,
    nodes.Keyword,
)
# None of these makes more of a text than there was.
FILTERS = (
    "abs",
    "capitalize",
    "d",
    "default",
    "first",
    "float",
    "int",
    "join",
    "last",
    "length",
    "lower",
    "max",
    "min",
    "round",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "trim",
    "truncate",
    "unique",
    "upper",
    "wordcount",
)
TESTS = (
    "defined",
    "divisibleby",
    "eq",
    "even",
    "false",
    "ge",
    "gt",
    "in",
    "le",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "string",
    "true",
)


class RowEnvironment(ImmutableSandboxedEnvironment):
    """A dot reaches into JSON by key, never into an object; only a loop tells where it stands."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return isinstance(obj, LoopContext) and super().is_safe_attribute(obj, attr, value)


def compiled(template: str) -> Template:
    """Raises `TemplateError` for what `fault` would name."""
    return ENVIRONMENT.from_string(template)


def rendered(template: Template, row: Mapping[str, Any]) -> str:
    """Raises `TemplateError`, `TypeError`, `ValueError` or `ArithmeticError` for a row it cannot be made of."""
    return template.render(row)


def fault(template: str) -> str:
    """What forbids the template; "" when nothing does."""
    try:
        tree = ENVIRONMENT.parse(template)
        foreign = next((node for node in tree.find_all(nodes.Node) if not isinstance(node, ALLOWED)), None)
        if foreign is not None:
            return f"line {foreign.lineno}: {type(foreign).__name__} is not allowed in a template"
        ENVIRONMENT.from_string(template)
    except TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    except TemplateError as error:
        return str(error)
    except RecursionError:
        return "is nested too deeply"
    return ""


def columns_of(template: str) -> set[str]:
    """The columns that the template names."""
    return meta.find_undeclared_variables(ENVIRONMENT.parse(template))


def _written(value: Any) -> Any:
    """NULL is nothing, not the word None, and numbers have no exponent, as in Postgres."""
    if isinstance(value, Decimal):
        return format(value, "f")
    return "" if value is None else value


def _environment() -> RowEnvironment:
    environment = RowEnvironment(
        undefined=StrictUndefined, finalize=_written, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.tests = {name: environment.tests[name] for name in TESTS}
    return environment


ENVIRONMENT = _environment()
