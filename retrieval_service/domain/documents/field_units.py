"""Units at the end of a field's name, as people write them behind a number: "weight_kg" is so many "kg"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from retrieval_service.text.facts.words import UNITS, Unit

_NUMBER = re.compile(r"-?\d{1,18}(?:[.,]\d{1,18})?")
# In "max_days_per_year" the unit is a part of what is counted.
_SHARES = frozenset({"per", "в", "на", "за", "por", "ao"})
# Symbols that hardly anybody writes otherwise.
_AS_WRITTEN = (
    "KB MB GB TB mAh Ah Wh kWh Hz kHz MHz GHz dB rpm lm lx Ω ohm °C °F K mp hp psi bar gsm ppm oz lb lbs ft"
)
_SYMBOLS: Mapping[str, str] = {
    **{symbol.casefold(): symbol for symbol in _AS_WRITTEN.split()},
    **dict.fromkeys(("inches", "inch", "дюймов"), "″"),
    "м2": "м²",
    "m2": "m²",
    "м3": "м³",
    "m3": "m³",
    "cm3": "cm³",
    "см3": "см³",
}
_MEASURES: Mapping[Unit, tuple[str, str, str]] = {
    ("gram", Decimal(1)): ("g", "г", "g"),
    ("gram", Decimal("0.001")): ("mg", "мг", "mg"),
    ("gram", Decimal(1000)): ("kg", "кг", "kg"),
    ("litre", Decimal("0.001")): ("ml", "мл", "ml"),
    ("litre", Decimal(1)): ("l", "л", "l"),
    ("metre", Decimal("0.001")): ("mm", "мм", "mm"),
    ("metre", Decimal("0.01")): ("cm", "см", "cm"),
    ("metre", Decimal(1)): ("m", "м", "m"),
    ("metre", Decimal(1000)): ("km", "км", "km"),
    ("watt", Decimal(1)): ("W", "Вт", "W"),
    ("watt", Decimal(1000)): ("kW", "кВт", "kW"),
    ("volt", Decimal(1)): ("V", "В", "V"),
    ("percent", Decimal(1)): ("%", "%", "%"),
    ("second", Decimal(1)): ("s", "с", "s"),
    ("second", Decimal(60)): ("min", "мин", "min"),
}
# For one, and for more; Russian has a form for two, three and four.
_PERIODS: Mapping[Unit, tuple[str, str, str]] = {
    ("second", Decimal(3600)): ("hour hours", "час часа часов", "hora horas"),
    ("second", Decimal(86400)): ("day days", "день дня дней", "dia dias"),
    ("second", Decimal(604800)): ("week weeks", "неделя недели недель", "semana semanas"),
    ("month", Decimal(1)): ("month months", "месяц месяца месяцев", "mês meses"),
    ("month", Decimal(12)): ("year years", "год года лет", "ano anos"),
}
_LANGUAGES = ("en", "ru", "pt")


def measured(words: list[str], value: str, language: str) -> str:
    """The value with the unit that the last of a name's words is; "" where it is none, or the value no number."""
    if len(words) < 2 or words[-2].casefold() in _SHARES or not _NUMBER.fullmatch(value):
        return ""
    said = words[-1].casefold()
    if symbol := _SYMBOLS.get(said):
        return f"{value}{'' if symbol == '″' else ' '}{symbol}"
    place = _LANGUAGES.index(language) if language in _LANGUAGES else 0
    unit = UNITS.get(said, ("", Decimal(1)))
    if unit in _MEASURES:
        return f"{value} {_MEASURES[unit][place]}"
    return f"{value} {_counted(value, _PERIODS[unit][place].split())}" if unit in _PERIODS else ""


def _counted(value: str, forms: list[str]) -> str:
    if not value.isdecimal():
        return forms[1]
    count = int(value)
    if len(forms) == 2:
        return forms[count != 1]
    tens, ones = count % 100, count % 10
    if 11 <= tens <= 14 or not 1 <= ones <= 4:
        return forms[2]
    return forms[ones != 1]
