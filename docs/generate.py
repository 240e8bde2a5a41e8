"""Writes the reference pages and `.env.example` from the code.

`python -m docs.generate` writes them. With `--check` it writes nothing, names the files that are stale, and exits
with 1 when there are any.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from docs.generators.commands import commands_page
from docs.generators.contract import contract_page, messages_page
from docs.generators.errors import errors_page
from docs.generators.limits import limits_page
from docs.generators.settings import env_example, settings_page

ROOT = Path(__file__).parents[1]
PAGES: Mapping[str, Callable[[], str]] = {
    ".env.example": env_example,
    "docs/reference/settings.md": settings_page,
    "docs/reference/commands.md": commands_page,
    "docs/reference/errors.md": errors_page,
    "docs/reference/limits.md": limits_page,
    "docs/reference/contract.md": contract_page,
    "docs/reference/messages.md": messages_page,
}


def main() -> int:
    """Writes every page, or checks it. Returns the exit status."""
    stale = [name for name in PAGES if content(name) != PAGES[name]()]
    if "--check" in sys.argv[1:]:
        for name in stale:
            sys.stderr.write(f"stale: {name} (run `make docs`)\n")
        return 1 if stale else 0
    for name in stale:
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(PAGES[name](), encoding="utf-8")
    return 0


def content(name: str) -> str:
    """What stands in a file; nothing, where there is none."""
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main())
