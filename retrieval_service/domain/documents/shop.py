"""A shop's products, FAQ and policies as documents; a bad row is named with its line and field."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from retrieval_service.domain.documents import templates
from retrieval_service.domain.documents.documents import Draft, JsonValue, check
from retrieval_service.domain.documents.shop_fields import Fields
from retrieval_service.domain.documents.shop_rows import FAQ, POLICIES, PRODUCTS, Row, RowError, read_rows
from retrieval_service.errors import Violation
from retrieval_service.text import exact_json

DetectLanguage = Callable[[str], str]

_DERIVED_ID_DIGITS = 16
# What a row calls the parts of a document.
_FIELD_NAMES: Mapping[str, Mapping[str, str]] = {
    PRODUCTS: {"external_id": "id", "title": "name", "section": "category", "content": "description"},
    FAQ: {"external_id": "id", "title": "question", "section": "category", "content": "answer"},
    POLICIES: {"external_id": "id", "section": "category"},
}


@dataclass(frozen=True, kw_only=True)
class ShopDraft:
    """A document and the row it was made from."""

    list: str
    index: int
    line: int
    draft: Draft


@dataclass(frozen=True, kw_only=True)
class ShopImport:
    """What a file holds; `metadata_fields` are the rows' fields without a place of their own."""

    drafts: tuple[ShopDraft, ...]
    errors: tuple[RowError, ...]
    metadata_fields: tuple[str, ...]


def parse_shop(data: bytes, *, language: str = "", detect: DetectLanguage) -> ShopImport:
    """Never raises for bad data; without `language` every row's own is detected."""
    rows, errors = read_rows(data)
    shop = _Shop(lambda text: language or detect(text))
    for row in rows:
        errors += shop.add(row)
    drafts = tuple(shop.drafts.values())
    return ShopImport(drafts=drafts, errors=tuple(errors), metadata_fields=tuple(shop.metadata_fields))


class _Shop:
    """The good rows so far, by their identity."""

    def __init__(self, detect: DetectLanguage) -> None:
        self._detect = detect
        self.drafts: dict[tuple[str, str], ShopDraft] = {}
        self.metadata_fields: dict[str, None] = {}

    def add(self, row: Row) -> Iterator[RowError]:
        """Keeps the row, or says what is wrong with it."""
        if not isinstance(row.value, Mapping):
            yield _error(row, Violation("", "must be an object"))
            return
        fields = Fields(row.value)
        draft = _DRAFTERS[row.list](fields, self._detect)
        violations = (
            _repeated(row)
            or fields.violations
            or _renamed(check(draft), row.list)
            or self._repetition(row, draft)
        )
        if not violations:
            self._keep(row, draft, fields)
        yield from (_error(row, violation) for violation in violations)

    def _keep(self, row: Row, draft: Draft, fields: Fields) -> None:
        kept = ShopDraft(list=row.list, index=row.index, line=row.line, draft=draft)
        self.drafts[draft.source_type, draft.external_id] = kept
        self.metadata_fields.update(dict.fromkeys(fields.unknown_names()))

    def _repetition(self, row: Row, draft: Draft) -> list[Violation]:
        first = self.drafts.get((draft.source_type, draft.external_id))
        if first is None:
            return []
        given = isinstance(row.value, Mapping) and row.value.get("id") is not None
        field = "id" if given else _FIELD_NAMES[row.list].get("title", "title")
        return [Violation(field, f"is the same as in row {first.index} on line {first.line}")]


def _draft_product(fields: Fields, detect: DetectLanguage) -> Draft:
    identifier = fields.identifier(required=True)
    name, description = fields.text("name", required=True), fields.text("description", required=True)
    language = detect(f"{name}\n{description}")
    price, currency = fields.price(language)
    section, tags, url = fields.text("category"), fields.tags(), fields.text("url")
    unknown = fields.unknown()
    content = templates.render_product(
        name=name,
        description=description,
        price=templates.price_text(price, currency, language),
        attributes=templates.attributes({"category": section, "tags": list(tags), **unknown}, language),
        language=language,
    )
    return Draft(
        source_type="product",
        external_id=identifier,
        title=name,
        section=section,
        tags=tags,
        content=content,
        language=language,
        url=url,
        metadata={**_price_metadata(price, currency), **unknown},
    )


def _draft_faq(fields: Fields, detect: DetectLanguage) -> Draft:
    question, answer = fields.text("question", required=True), fields.text("answer", required=True)
    language = detect(f"{question}\n{answer}")
    return Draft(
        source_type="faq",
        external_id=fields.identifier(required=False) or derive_id(question),
        title=question,
        section=fields.text("category"),
        tags=fields.tags(),
        content=templates.render_faq(question=question, answer=answer, language=language),
        language=language,
        url=fields.text("url"),
        metadata=fields.unknown(),
    )


def _draft_policy(fields: Fields, detect: DetectLanguage) -> Draft:
    title, content = fields.text("title", required=True), fields.text("content", required=True)
    return Draft(
        source_type="policy",
        external_id=fields.identifier(required=False) or derive_id(title),
        title=title,
        section=fields.text("category"),
        tags=fields.tags(),
        content=templates.render_policy(title=title, content=content),
        # Policies are written with headings and lists; plain text is Markdown too.
        content_type="text/markdown",
        language=detect(f"{title}\n{content}"),
        url=fields.text("url"),
        metadata=fields.unknown(),
    )


_DRAFTERS: Mapping[str, Callable[[Fields, DetectLanguage], Draft]] = {
    PRODUCTS: _draft_product,
    FAQ: _draft_faq,
    POLICIES: _draft_policy,
}


def derive_id(text: str) -> str:
    """An id for a row without one: 16 hex digits of SHA-256 over the text, whatever its case and spacing."""
    normal = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.sha256(normal.encode("utf-8", "surrogatepass")).hexdigest()[:_DERIVED_ID_DIGITS]


def _price_metadata(price: Decimal | str | None, currency: str) -> dict[str, JsonValue]:
    """To filter by and to show on a card: a number where it is one."""
    amount = exact_json.normal(price) if isinstance(price, Decimal) else price
    return {
        name: value for name, value in (("price", amount), ("currency", currency)) if value not in (None, "")
    }


def _repeated(row: Row) -> list[Violation]:
    return [Violation(path, "is given more than once") for path in exact_json.repetitions(row.value)]


def _renamed(violations: list[Violation], list_name: str) -> list[Violation]:
    names = _FIELD_NAMES[list_name]
    return [
        Violation(names.get(violation.field, violation.field), violation.description)
        for violation in violations
    ]


def _error(row: Row, violation: Violation) -> RowError:
    return RowError(
        list=row.list,
        index=row.index,
        line=row.line,
        field=violation.field,
        description=violation.description,
    )
