"""`kladez eval`: measures of the search and of the answers."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from retrieval_service.cli.evals import answers_command, search_command


class SearchUnlessNamed(TyperGroup):
    """`kladez eval FOLDER` goes on meaning `kladez eval search FOLDER`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_shorthand = bool(args) and args[0] not in self.commands and not args[0].startswith("-")
        return super().parse_args(ctx, ["search", *args] if is_shorthand else args)


app = typer.Typer(
    cls=SearchUnlessNamed, no_args_is_help=True, help="Measure the search and the answers on labelled sets."
)
app.command("search")(search_command.evaluate)
app.command("answers")(answers_command.answers)
