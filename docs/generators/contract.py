"""docs/reference/contract.md and messages.md, from the protos with their comments and the policies of the methods."""

from __future__ import annotations

from docs.generators import code, markdown, protos

INTRODUCTION = """
The contract is the folder `protos/kladez/v1` of a checkout, package `kladez.v1`. [Messages](messages.md) has every
field. Beside these services the server answers `grpc.health.v1.Health` and, unless `KLADEZ_REFLECTION` is false, server
reflection. Both need no key.

Every call carries the metadata `authorization: Bearer KEY`, and `x-tenant-id` when the key serves many tenants. An
`x-request-id` of 8 to 64 letters, digits, dots, dashes and underscores is kept. Without one the service makes one. The
id comes back in the trailing metadata.
"""

SCOPES = """
A key has one scope or more, and each method names the scopes that may call it. What each scope means, and what a thief
of such a key could do, stands in [Keys](../keys.md).
"""


def contract_page() -> str:
    """The text of docs/reference/contract.md."""
    blocks = [INTRODUCTION, "## Scopes", SCOPES, scope_table()]
    for file in protos.contract():
        if file.service:
            blocks += [f"## {file.service}", file.comment, method_table(file)]
    return markdown.page("Contract", *blocks)


def scope_table() -> str:
    return markdown.table(
        ("scope", "methods"),
        [(markdown.code(scope), markdown.codes(called_by(scope))) for scope in code.SCOPES],
    )


def called_by(scope: str) -> list[str]:
    """The names of the methods that a scope may call."""
    return [path.rpartition("/")[2] for path, policy in code.POLICIES.items() if scope in policy.scopes]


def method_table(file: protos.File) -> str:
    rows = [
        (
            markdown.code(one.name),
            f"{message(one.request, one.streams_request)} → {message(one.response, one.streams_response)}",
            markdown.codes(scopes_of(file.service, one.name)),
            one.comment,
        )
        for one in file.methods
    ]
    return markdown.table(("method", "messages", "scopes", "meaning"), rows)


def message(name: str, streams: bool) -> str:
    return f"{'stream of ' if streams else ''}[`{name}`](messages.md#{anchor(name)})"


def anchor(name: str) -> str:
    return name.lower().replace(".", "")


def scopes_of(service: str, method: str) -> list[str]:
    allowed = code.POLICIES[f"/kladez.v1.{service}/{method}"].scopes
    return [scope for scope in code.SCOPES if scope in allowed]


def messages_page() -> str:
    """The text of docs/reference/messages.md."""
    blocks = ["Every message and every enumeration of the [contract](contract.md), with its fields."]
    for file in protos.contract():
        blocks.append(f"## Of {file.service}" if file.service else "## Of several services")
        for one in file.types:
            blocks += [f"### {one.name}", one.comment, field_table(one)]
    return markdown.page("Messages", *blocks)


def field_table(kind: protos.Type) -> str:
    if not kind.fields:
        return ""
    rows = [(markdown.code(one.name), markdown.code(one.kind), one.comment) for one in kind.fields]
    return markdown.table(("field", "type", "meaning"), rows)
