"""What the service itself says around a summary, in the customer's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class _Phrases:
    lead: str
    disagreement: str


_ENGLISH = _Phrases(
    lead="Here is what our materials say about this (sources: {count}).",
    disagreement="The sources disagree: “{one}” — but “{other}”",
)
_PHRASES: Mapping[str, _Phrases] = {
    "en": _ENGLISH,
    "ru": _Phrases(
        lead="Вот что говорят об этом наши материалы (источников: {count}).",
        disagreement="Источники расходятся: «{one}» — но «{other}»",
    ),
    "pt": _Phrases(
        lead="Veja o que nossos materiais dizem sobre isso (fontes: {count}).",
        disagreement="As fontes divergem: “{one}” — mas “{other}”",
    ),
}


def lead_text(language: str, source_count: int) -> str:
    """One sentence."""
    return _phrases(language).lead.replace("{count}", str(source_count))


def disagreement_text(language: str, one: str, other: str) -> str:
    """Quotes both sides."""
    # Split, not replaced one after the other: a quotation may hold braces.
    before, _, rest = _phrases(language).disagreement.partition("{one}")
    between, _, after = rest.partition("{other}")
    return f"{before}{one}{between}{other}{after}"


def _phrases(language: str) -> _Phrases:
    return _PHRASES.get(language, _ENGLISH)
