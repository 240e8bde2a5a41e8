"""What a tenant may set, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from retrieval_service.domain.safe_text.trust import SourceTrust, trust_of
from retrieval_service.domain.tenants.quotas import MAX_QUESTIONS_PER_DAY, Quotas
from retrieval_service.errors import Violation
from retrieval_service.text.invisible import is_blank

DEFAULT_LANGUAGES = ("ru", "en", "pt")
GRANULARITIES = ("chunk", "document")
MAX_NAME = 200
MAX_LANGUAGES = 10
MAX_PROMPT = 4_000
MAX_CONTACT = 200
MAX_ORIGINS = 50
MAX_LINK_DOMAINS = 50
MAX_SOURCE_TYPES = 50
MAX_GREETING = 500
MAX_SUGGESTIONS = 6
MAX_SUGGESTION = 120
MAX_RETENTION_DAYS = 3_650

_LANGUAGE = re.compile(r"[a-z]{2}")
# Spelled with the letters that a browser shows; look-alikes of other alphabets are written as "xn--…".
_LINK_DOMAIN = re.compile(
    r"(?=.{4,253}\Z)(?:[a-zа-яё0-9](?:[a-zа-яё0-9-]{0,61}[a-zа-яё0-9])?\.)+[a-zа-яё0-9-]{2,63}"
)
_SOURCE_TYPE = re.compile(r"[a-z0-9_-]{1,64}")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|\*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class TenantSettings:
    """`greetings` and `suggested_questions` go by language code; chats are kept for ever when for 0 days."""

    languages: tuple[str, ...] = DEFAULT_LANGUAGES
    system_prompt: str = ""
    fallback_contact: str = ""
    allowed_origins: tuple[str, ...] = ()
    allowed_link_domains: tuple[str, ...] = ()
    trusted_source_types: tuple[str, ...] = ()
    untrusted_source_types: tuple[str, ...] = ()
    greetings: Mapping[str, str] = field(default_factory=dict)
    suggested_questions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chat_retention_days: int = 0
    quotas: Quotas = field(default_factory=Quotas)
    index_granularity: str = "chunk"

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """From what `as_json` gave; missing fields get their defaults, unknown ones are left out."""
        suggested = {code: tuple(texts) for code, texts in stored.get("suggested_questions", {}).items()}
        return cls(
            languages=tuple(stored.get("languages") or DEFAULT_LANGUAGES),
            system_prompt=stored.get("system_prompt", ""),
            fallback_contact=stored.get("fallback_contact", ""),
            allowed_origins=tuple(stored.get("allowed_origins", ())),
            allowed_link_domains=tuple(stored.get("allowed_link_domains", ())),
            trusted_source_types=tuple(stored.get("trusted_source_types", ())),
            untrusted_source_types=tuple(stored.get("untrusted_source_types", ())),
            greetings=dict(stored.get("greetings", {})),
            suggested_questions=suggested,
            chat_retention_days=stored.get("chat_retention_days", 0),
            quotas=Quotas.from_json(stored.get("quotas", {})),
            index_granularity=stored.get("index_granularity") or "chunk",
        )

    @property
    def source_trust(self) -> SourceTrust:
        return trust_of(
            trusted=self.trusted_source_types,
            untrusted=self.untrusted_source_types,
            domains=self.allowed_link_domains,
            origins=self.allowed_origins,
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def check_name(name: str) -> Iterator[Violation]:
    if is_blank(name):
        yield Violation("tenant.name", "is required")
    yield from _check_length("tenant.name", name, MAX_NAME)


def check_settings(settings: TenantSettings) -> Iterator[Violation]:
    yield from _check_languages(settings.languages)
    yield from _check_length("tenant.settings.system_prompt", settings.system_prompt, MAX_PROMPT)
    yield from _check_length("tenant.settings.fallback_contact", settings.fallback_contact, MAX_CONTACT)
    yield from _check_origins(settings.allowed_origins)
    if not 0 <= settings.chat_retention_days <= MAX_RETENTION_DAYS:
        yield Violation("tenant.settings.chat_retention_days", f"must be 0 to {MAX_RETENTION_DAYS:,} days")
    if settings.index_granularity not in GRANULARITIES:
        yield Violation("tenant.settings.index_granularity", f"must be one of {', '.join(GRANULARITIES)}")
    yield from _check_link_domains(settings.allowed_link_domains)
    for name, questions in asdict(settings.quotas).items():
        if not 0 <= questions <= MAX_QUESTIONS_PER_DAY:
            yield Violation(f"tenant.settings.quotas.{name}", f"must be 0 to {MAX_QUESTIONS_PER_DAY:,}")
    yield from _check_source_types(settings)
    for code, greeting in settings.greetings.items():
        yield from _check_code(f"tenant.settings.greetings[{code}]", code)
        yield from _check_length(f"tenant.settings.greetings[{code}]", greeting, MAX_GREETING)
    for code, questions in settings.suggested_questions.items():
        yield from _check_suggestions(f"tenant.settings.suggested_questions[{code}]", code, questions)


def _check_languages(languages: tuple[str, ...]) -> Iterator[Violation]:
    if len(languages) > MAX_LANGUAGES:
        yield Violation("tenant.settings.languages", f"must be at most {MAX_LANGUAGES}")
    for code in languages:
        yield from _check_code("tenant.settings.languages", code)


def _check_code(path: str, code: str) -> Iterator[Violation]:
    if not _LANGUAGE.fullmatch(code):
        yield Violation(path, 'must name a language by two lower-case letters, for example "ru"')


def _check_origins(origins: tuple[str, ...]) -> Iterator[Violation]:
    if len(origins) > MAX_ORIGINS:
        yield Violation("tenant.settings.allowed_origins", f"must be at most {MAX_ORIGINS}")
    for position, origin in enumerate(origins[:MAX_ORIGINS]):
        if not _ORIGIN.fullmatch(origin):
            reason = 'must be scheme://host[:port] without a path, or "*"'
            yield Violation(f"tenant.settings.allowed_origins[{position}]", reason)


def _check_link_domains(domains: tuple[str, ...]) -> Iterator[Violation]:
    if len(domains) > MAX_LINK_DOMAINS:
        yield Violation("tenant.settings.allowed_link_domains", f"must be at most {MAX_LINK_DOMAINS}")
    for position, domain in enumerate(domains[:MAX_LINK_DOMAINS]):
        if not _LINK_DOMAIN.fullmatch(domain):
            reason = 'must be a domain in lower case, for example "shop.example"'
            yield Violation(f"tenant.settings.allowed_link_domains[{position}]", reason)


def _check_source_types(settings: TenantSettings) -> Iterator[Violation]:
    for name in ("trusted_source_types", "untrusted_source_types"):
        path, types = f"tenant.settings.{name}", getattr(settings, name)
        if len(types) > MAX_SOURCE_TYPES:
            yield Violation(path, f"must be at most {MAX_SOURCE_TYPES}")
        for position, source_type in enumerate(types[:MAX_SOURCE_TYPES]):
            if not _SOURCE_TYPE.fullmatch(source_type):
                yield Violation(f"{path}[{position}]", "must be 1-64 characters of a-z, 0-9, _ and -")
    both = sorted({*settings.trusted_source_types} & {*settings.untrusted_source_types})
    if both:
        path = "tenant.settings.untrusted_source_types"
        yield Violation(path, f"must not name what trusted_source_types names: {', '.join(both)}")


def _check_suggestions(path: str, code: str, questions: tuple[str, ...]) -> Iterator[Violation]:
    yield from _check_code(path, code)
    if len(questions) > MAX_SUGGESTIONS:
        yield Violation(path, f"must be at most {MAX_SUGGESTIONS} questions")
    for question in questions[:MAX_SUGGESTIONS]:
        yield from _check_length(path, question, MAX_SUGGESTION)


def _check_length(path: str, text: str, limit: int) -> Iterator[Violation]:
    if len(text) > limit:
        yield Violation(path, f"must be at most {limit:,} characters, is {len(text):,}")
    if "\0" in text:
        yield Violation(path, "must not contain the character NUL (U+0000)")
