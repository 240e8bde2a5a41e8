"""Templates that tenants' operators write: they see a row's columns and nothing else of this program."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    localcontext,
)
from types import GeneratorType
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import FilterArgumentError
from jinja2.filters import FILTERS as FILTERS_OF_JINJA
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from retrieval_service.text.exact_json import MOST_DIGITS

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
_ROUNDINGS = {"common": ROUND_HALF_EVEN, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}
_MOST_DIGITS = 2 * MOST_DIGITS
# Sums are exact, or refused.
_EXACT = Context(prec=_MOST_DIGITS, traps=[DivisionByZero, Inexact, InvalidOperation])
# What is rounded on purpose, and quotients.
_ROUNDED = Context(prec=_MOST_DIGITS, traps=[DivisionByZero, InvalidOperation])
_QUOTIENT_DIGITS = 28


class Number(Decimal):
    """Written without an exponent, as in Postgres."""

    def __str__(self) -> str:
        return format(self, "f")


class Items(list[Any]):
    """Written as its items that are not NULL, with commas between them."""

    def __str__(self) -> str:
        return ", ".join(_text(item) for item in self if item is not None)


class Members(dict[str, Any]):
    """Written as its keys and their values that are not NULL, with commas between them."""

    def __str__(self) -> str:
        return ", ".join(f"{key}: {_text(value)}" for key, value in self.items() if value is not None)


class RowEnvironment(ImmutableSandboxedEnvironment):
    """A dot reaches into JSON by key, never into an object; only a loop tells where it stands."""

    intercepted_binops = frozenset("+-/")
    intercepted_unops = frozenset("-")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "/" and isinstance(left, Decimal | int) and isinstance(right, Decimal | int):
            return _quotient(left, right)
        return _readable(super().call_binop(context, operator, left, right))

    def call_unop(self, context: Any, operator: str, arg: Any) -> Any:
        return _readable(super().call_unop(context, operator, arg))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return isinstance(obj, LoopContext) and super().is_safe_attribute(obj, attr, value)


def compiled(template: str) -> Template:
    """Raises `TemplateError` for what `fault` would name."""
    return ENVIRONMENT.from_string(template)


def rendered(template: Template, row: Mapping[str, Any]) -> str:
    """Raises `TemplateError`, `TypeError`, `ValueError` or `ArithmeticError` for a row it cannot be made of."""
    with localcontext(_EXACT):
        return template.render({name: _readable(value) for name, value in row.items()})


def failure(error: Exception) -> str:
    """Why `rendered` raised it, for people."""
    if isinstance(error, Inexact):
        return f"a number has more than {_MOST_DIGITS} digits"
    if isinstance(error, ZeroDivisionError):
        return "a number is divided by zero"
    if isinstance(error, InvalidOperation):
        return f"there is no such number, or it has more than {_MOST_DIGITS} digits"
    return str(error)


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
    except (RecursionError, SyntaxError):
        return "is nested too deeply"
    return ""


def columns_of(template: str) -> set[str]:
    """The columns that the template names."""
    return meta.find_undeclared_variables(ENVIRONMENT.parse(template))


def _readable(value: Any) -> Any:
    """The same, but for how it is written as text."""
    if isinstance(value, Decimal):
        return Number(value)
    if isinstance(value, Mapping):
        return Members({str(name): _readable(child) for name, child in value.items()})
    if isinstance(value, list | tuple | GeneratorType):
        return Items(map(_readable, value))
    return value


def _text(value: Any) -> str:
    """NULL is nothing, not the word None."""
    return "" if value is None else str(_readable(value))


def _quotient(left: Decimal | int, right: Decimal | int) -> Any:
    """Of two whole numbers as Python has it. Of others exact, or with 28 digits and no fewer than its cents."""
    if isinstance(left, int) and isinstance(right, int):
        return left / right
    context = _ROUNDED.copy()
    quotient = context.divide(left, right)
    if context.flags[Inexact] and quotient:
        context.prec = min(_MOST_DIGITS, max(_QUOTIENT_DIGITS, quotient.adjusted() + 3))
        quotient = context.divide(left, right)
    return Number(quotient)


def _rounded(value: Any, precision: int = 0, method: str = "common") -> Any:
    if not isinstance(value, Decimal) or not value.is_finite():
        return FILTERS_OF_JINJA["round"](value, precision, method)
    if method not in _ROUNDINGS or not isinstance(precision, int) or abs(precision) > MOST_DIGITS:
        raise FilterArgumentError(f"round takes at most {MOST_DIGITS} digits, and common, ceil or floor")
    last = Decimal((0, (1,), -precision))
    return Number(value.quantize(last, rounding=_ROUNDINGS[method], context=_ROUNDED.copy()))


def _made_readable(filtered: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(filtered)
    def readable(*arguments: Any, **named: Any) -> Any:
        return _readable(filtered(*arguments, **named))

    return readable


def _environment() -> RowEnvironment:
    environment = RowEnvironment(
        undefined=StrictUndefined, finalize=_text, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.clear()
    environment.filters = {name: _made_readable(FILTERS_OF_JINJA[name]) for name in FILTERS}
    environment.filters["round"] = _rounded
    environment.tests = {name: environment.tests[name] for name in TESTS}
    return environment


ENVIRONMENT = _environment()
