"""`kladez space …`: moves a tenant to another embedding model while its searches go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from kladez.v1 import space_service_pb2 as pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import declaring_client
from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.options import Options, options_of
from retrieval_service.cli.waiting import left_running
from retrieval_service.client import Client

Result = TypeVar("Result")
Key = Annotated[str, typer.Argument(help="The space's key; default: the one that the tenant could move to.")]
KeepDays = Annotated[int, typer.Option(min=1, max=365, help="How long the old space is kept.")]
KEEP_DAYS = 7
WATCH_SECONDS = 0.5
HEADINGS = ("space", "state", "filled", "recall", "agreement", "cosines", "kept until", "remarks")

app = typer.Typer(help="Embedding models, one space of vectors for each.", no_args_is_help=True)


@app.command("list")
def list_spaces(context: typer.Context) -> None:
    """List the spaces of the installation, and what the tenant has in each."""
    options = options_of(context)
    response = _call(options, lambda client: client.list_spaces(pb.ListSpacesRequest()))
    if options.as_json:
        output.json_message(response)
    else:
        output.table(HEADINGS, [row(space) for space in response.spaces])


@app.command()
def estimate(context: typer.Context, key: Key = "") -> None:
    """Tell what filling a space would take."""
    options = options_of(context)
    request = pb.EstimateSwitchRequest(key=key)
    response = _call(options, lambda client: client.estimate_switch(request))
    if options.as_json:
        output.json_message(response)
        return
    dollars = f"{response.dollars:.4f}" if response.HasField("dollars") else "unknown"
    amounts = (response.space.key, f"{response.chunk_count:,}", f"{response.token_count:,}", dollars)
    output.table(("space", "chunks", "tokens", "dollars"), [amounts])


@app.command()
def start(
    context: typer.Context,
    key: Key = "",
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Stay until it is filled; Ctrl-C leaves it running.")
    ] = True,
) -> None:
    """Begin to fill a space in the background."""
    options = options_of(context)
    with left_running("kladez space list"):
        _print(options, _call(options, lambda client: _start(client, key, watch=watch)))


@app.command()
def verify(
    context: typer.Context,
    key: Key = "",
    questions: Annotated[int, typer.Option(min=1, max=200, help="How many to ask.")] = 50,
) -> None:
    """Try a filled space on questions that were asked, or else on titles."""
    options = options_of(context)
    request = pb.VerifySwitchRequest(key=key, question_count=questions)
    _print(options, _call(options, lambda client: client.verify_switch(request)).space)


@app.command()
def flip(
    context: typer.Context,
    key: Key = "",
    keep_days: KeepDays = KEEP_DAYS,
    force: Annotated[bool, typer.Option("--force", help="Also when it is not filled or verified.")] = False,
) -> None:
    """Let searches read another space from now on."""
    options = options_of(context)
    request = pb.FlipSpaceRequest(key=key, keep_days=keep_days, force=force)
    _print(options, _call(options, lambda client: client.flip_space(request)).space)


@app.command()
def back(context: typer.Context, keep_days: KeepDays = KEEP_DAYS) -> None:
    """Flip back to the space that searches read before."""
    options = options_of(context)
    _print(options, _call(options, lambda client: _back(client, keep_days)))


@app.command()
def drop(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="The space's key, see `list`.")],
    confirm: Annotated[bool, typer.Option("--confirm", help="Do it; without this it is only shown.")] = False,
) -> None:
    """Forget the tenant's vectors in a space that searches do not read; a kept one is the only way back."""
    options = options_of(context)
    if not confirm:
        _print(options, _call(options, lambda client: _found(client, key)))
        output.note("Nothing was changed: repeat it with --confirm.")
        return
    _call(options, lambda client: client.drop_space(pb.DropSpaceRequest(key=key)))


async def _start(client: Client, key: str, *, watch: bool) -> pb.Space:
    space = (await client.start_switch(pb.StartSwitchRequest(key=key))).space
    with output.progress() as display:
        task = display.add_task("Filling", total=None)
        while watch and space.state == pb.SPACE_STATE_FILLING:
            display.update(task, completed=space.filled_count, total=space.total_count or None)
            await asyncio.sleep(WATCH_SECONDS)
            space = await _found(client, space.key)
    return space


async def _found(client: Client, key: str) -> pb.Space:
    spaces = (await client.list_spaces(pb.ListSpacesRequest())).spaces
    found = next((space for space in spaces if space.key == key), None)
    if found is None:
        raise BadInput(f"there is no space {key}; `kladez space list` shows what there is")
    return found


async def _back(client: Client, keep_days: int) -> pb.Space:
    spaces = (await client.list_spaces(pb.ListSpacesRequest())).spaces
    kept = [space for space in spaces if space.state == pb.SPACE_STATE_KEPT]
    if not kept:
        raise BadInput("no space is kept; `kladez space list` shows what there is")
    latest = max(kept, key=lambda space: space.keep_until_time.ToDatetime())
    request = pb.FlipSpaceRequest(key=latest.key, keep_days=keep_days)
    return (await client.flip_space(request)).space


def _call(options: Options, method: Callable[[Client], Awaitable[Result]]) -> Result:
    async def connected() -> Result:
        async with declaring_client(options) as client:
            return await method(client)

    return asyncio.run(connected())


def _print(options: Options, space: pb.Space) -> None:
    if options.as_json:
        output.json_message(space)
    else:
        output.table(HEADINGS, [row(space)])


def row(space: pb.Space) -> tuple[str, ...]:
    """What a table shows of a space."""
    state = pb.SpaceState.Name(space.state).removeprefix("SPACE_STATE_").lower()
    kept_until = space.keep_until_time.ToDatetime().isoformat(sep=" ", timespec="minutes")
    return (
        space.key,
        "" if state == "unspecified" else state,
        f"{space.filled_count:,}/{space.total_count:,}" if space.total_count else "",
        f"{space.recall:.3f}" if space.HasField("recall") else "",
        f"{space.agreement:.3f}" if space.HasField("agreement") else "",
        cosines(space),
        kept_until if space.HasField("keep_until_time") else "",
        remarks(space),
    )


def cosines(space: pb.Space) -> str:
    """From unrelated texts to right passages, and how much of a hybrid score goes by them."""
    if not space.HasField("scale"):
        return "not measured" if space.is_open else ""
    scale = space.scale
    if not scale.share:
        return "measured: reads none of the languages"
    languages = f", {'/'.join(scale.languages)} only" if scale.languages else ""
    return f"{scale.floor:.2f}-{scale.floor + scale.spread:.2f}, share {scale.share:.2f}{languages}"


def remarks(space: pb.Space) -> str:
    said = {
        "new tenants begin here": space.is_home,
        "no model is configured for it": not space.is_open,
        "some vectors are missing": space.is_stale,
        "will be flipped to by itself": space.is_automatic,
        space.error: bool(space.error),
        f"words decide until its cosines are measured: {space.scale_error}": bool(space.scale_error),
    }
    return "; ".join(text for text, applies in said.items() if applies)
