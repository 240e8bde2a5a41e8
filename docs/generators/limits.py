"""docs/reference/limits.md, from the policies, the settings and the comments of the contract."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from docs.generators import code, markdown, protos

KIB = 1024
MIB = 1024 * KIB

INTRODUCTION = """
[Limits and quotas](../operations/limits.md) explains how these limits work together and how to choose them.
"""
SIZES = f"""
A request may have this many bytes, as protobuf. For a stream this is the size of each message. A larger one is
refused with `REQUEST_TOO_LARGE`. Above {code.MOST_MESSAGE_BYTES // MIB} MiB gRPC itself refuses it, with
RESOURCE_EXHAUSTED, no reason, and the words "larger than max". Repeating helps with neither: send fewer items at a
time. `ImportDocuments` takes any number of them.
"""
TIMES = """
The service ends a call after this time, or at the client's own deadline when that comes first.
"""
PAGES = f"""
A page of a listing has at most {code.MOST_PAGE_BYTES // MIB} MiB, so that a client with gRPC's default of 4 MiB can
read every page. A page can be shorter than `page_size`. The listing ends where `next_page_token` is empty, and nowhere
else.
"""
RATES = """
These limits have the defaults below. The settings change them.
"""
RATE_FIELDS = re.compile(r"_per_(?:minute|day|address|session)$|_at_once$|^document_|^frame_|^question_")
LIMIT = re.compile(
    r"at most \d|code points|characters|[KM]iB|\[0, 1\]|\b\d[\d,]*(?<!639)-\d|default \d", re.IGNORECASE
)


def limits_page() -> str:
    """The text of docs/reference/limits.md."""
    return markdown.page(
        "Limits",
        INTRODUCTION,
        "## Size of a request",
        SIZES,
        by_limit("largest request", lambda name: size(code.POLICIES[name].max_request_bytes)),
        "## Time of a call",
        TIMES,
        by_limit("longest call", lambda name: f"{code.POLICIES[name].max_seconds:,.0f} s"),
        "## Pages of listings",
        PAGES,
        "## Rates, quotas and sizes that settings change",
        RATES,
        setting_table(),
        "## Fields",
        "What the contract says of the sizes of fields in requests.",
        field_table(),
    )


def by_limit(head: str, limit_of: Callable[[str], str]) -> str:
    """Methods in one row for each limit, the largest limit first; the most common limit has no names."""
    rows: dict[str, list[str]] = {}
    for path in code.rpc_methods():
        rows.setdefault(limit_of(path), []).append(path.rpartition("/")[2])
    common = max(rows, key=lambda limit: len(rows[limit]))
    ordered = sorted(rows.items(), key=lambda row: -amount(row[0]))
    named = [(limit, markdown.codes(names)) for limit, names in ordered if limit != common]
    return markdown.table((head, "methods"), [*named, (common, "all others")])


def size(number: int) -> str:
    return f"{number // MIB} MiB" if number % MIB == 0 else f"{number // KIB:,} KiB"


def amount(limit: str) -> float:
    number, unit = limit.replace(",", "").split()
    return float(number) * {"MiB": MIB, "KiB": KIB, "s": 1}[unit]


def setting_table() -> str:
    rows = [
        (
            markdown.code(code.variable(settings, field, info.validation_alias)),
            f"{info.default:,}",
            info.description or "",
        )
        for settings in code.SETTINGS
        for field, info in settings.model_fields.items()
        if RATE_FIELDS.search(field)
    ]
    return markdown.table(("setting", "default", "meaning"), rows)


def field_table() -> str:
    return markdown.table(("message", "field", "limit"), field_rows())


def field_rows() -> Iterable[tuple[str, str, str]]:
    for kind in sent_by_clients():
        for field in kind.fields:
            words = limiting(field.comment)
            is_sent = not field.kind.isdigit() and not field.comment.startswith("Output only")
            if words and is_sent:
                yield markdown.code(kind.name), markdown.code(field.name), words


def sent_by_clients() -> list[protos.Type]:
    """The requests of all methods, and the messages inside them, in the order of the contract."""
    kinds = {kind.name: kind for file in protos.contract() for kind in file.types}
    open_names = [method.request for file in protos.contract() for method in file.methods]
    found: set[str] = set()
    while open_names:
        name = open_names.pop()
        if name in kinds and name not in found:
            found.add(name)
            open_names += [word for field in kinds[name].fields for word in re.findall(r"[\w.]+", field.kind)]
    return [kind for name, kind in kinds.items() if name in found]


def limiting(comment: str) -> str:
    """The sentences of a comment that tell a limit."""
    sentences = [one.rstrip(";") for one in re.split(r"(?<=[.;]) ", comment)]
    return " ".join(one for one in sentences if LIMIT.search(one))
