"""The command `kladez`: its global options, its commands, and how it ends."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn
from uuid import UUID

import platformdirs
import typer

from retrieval_service import config, errors
from retrieval_service.cli import logs, output
from retrieval_service.cli.commands import (
    backfill,
    backup,
    bench,
    chats,
    documents,
    gaps,
    insight,
    reindex,
    schedules,
    search_and_ask,
    service,
    spaces,
    sql_sources,
    status,
    sync,
    sync_backends,
    tenants,
)
from retrieval_service.cli.evals import eval_commands
from retrieval_service.cli.failures import BadInput, ExitCode, exit_code, explanation
from retrieval_service.cli.imports import import_commands, json_commands
from retrieval_service.cli.options import Options, hoisted
from retrieval_service.cli.up import up
from retrieval_service.client import CallFailed
from retrieval_service.postgres.embedded import default_data_dir
from retrieval_service.postgres.log import ServerLog

app = typer.Typer(
    name="kladez",
    help="One knowledge base with many mouths. Global options may stand anywhere on the line.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (up, service, backup, search_and_ask, status, reindex, backfill, bench):
    group.register(app)
app.add_typer(tenants.app, name="tenant")
app.add_typer(import_commands.app, name="import")
app.add_typer(sql_sources.app, name="source")
app.add_typer(spaces.app, name="space")
app.add_typer(schedules.app, name="schedule")
app.add_typer(schedules.sync, name="sync")
app.add_typer(documents.app, name="document")
sync_backends.register(schedules.sync)
app.add_typer(eval_commands.app, name="eval")
app.add_typer(gaps.app, name="gaps")
app.add_typer(chats.app, name="chats")
app.add_typer(insight.app, name="insight")
json_commands.register(import_commands.app)
sync.register(schedules.sync)


@app.callback()
def settle(
    context: typer.Context,
    address: Annotated[
        str,
        typer.Option(
            envvar="KLADEZ_ADDRESS",
            help="The service, https://host:port or host:port. Default: the profile's.",
        ),
    ] = "",
    key: Annotated[
        str, typer.Option(envvar="KLADEZ_KEY", show_envvar=True, help="An API key. Default: the profile's.")
    ] = "",
    key_file: Annotated[
        str,
        typer.Option(
            envvar="KLADEZ_KEY_FILE",
            help='A file with the API key, "-" for standard input; keeps it out of sight.',
        ),
    ] = "",
    tenant: Annotated[
        str, typer.Option(envvar="KLADEZ_TENANT", help="A tenant's id. Default: the profile's.")
    ] = "",
    data_dir: Annotated[  # a text: as a path the empty one would be the folder that one stands in
        str,
        typer.Option(envvar="KLADEZ_DATA_DIR", metavar="PATH", help="Where data, logs and the profile lie."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
    debug: Annotated[  # noqa: ARG001 - `run` looks for it, because it outlives this call
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
) -> None:
    folder = Path(data_dir) if data_dir else config.load().data_dir or default_data_dir()
    context.obj = Options(
        address=address,
        key=key_from_file(key_file, key) if key_file else key,
        tenant_id=id_of_tenant(tenant),
        names_tenant=is_on_line(context, "tenant"),
        as_json=as_json,
        data_dir=folder.absolute(),
    )


def id_of_tenant(told: str) -> str:
    """As it is sent; raises `typer.BadParameter` for a name, which no service would understand."""
    try:
        return str(UUID(told)) if told else ""
    except ValueError:
        message = f"{told!r} is no tenant's id: `kladez tenant list` shows them"
        raise typer.BadParameter(message, param_hint="--tenant or KLADEZ_TENANT") from None


def is_on_line(context: typer.Context, parameter: str) -> bool:
    """Whether the value came neither from a variable nor from the default."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def key_from_file(name: str, key: str) -> str:
    """Raises `BadInput` naming the file, or the option that it contradicts."""
    if key:
        raise BadInput(
            "--key and --key-file (KLADEZ_KEY and KLADEZ_KEY_FILE) contradict each other; give one"
        )
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--key-file {name}: {getattr(error, 'strerror', None) or 'is no text'}") from error
    if not text.strip():
        raise BadInput(f"--key-file {name}: holds no key")
    return text.strip()


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code; expected errors never show a traceback."""
    logs.keep_from_results()
    try:
        app(hoisted(arguments), prog_name="kladez")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - the last door before a person
        return explain(first_of(error), debug="--debug" in arguments)
    return ExitCode.OK


def explain(error: Exception, *, debug: bool) -> int:
    """Says on stderr what went wrong and returns the exit code."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, errors.KladezError | CallFailed):
        output.note(f"kladez: {explanation(error)}")
        return exit_code(error)
    if not debug:
        output.note(f"kladez: unexpected {type(error).__name__}: {error}")
        output.note(f"The traceback is in {logged(error)}.")
    return ExitCode.FAILED


def first_of(error: Exception) -> Exception:
    """The first error of a group of tasks, which is the one that ended the others."""
    return first_of(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


def logged(error: Exception) -> Path:
    log = ServerLog.opened(crash_log())
    with log.path.open("a", encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    return log.path


def crash_log() -> Path:
    return platformdirs.user_log_path("kladez", ensure_exists=True) / "kladez.log"


if __name__ == "__main__":
    main()
