"""Makes a backup: one file that pg_restore reads too, and a manifest beside it that vouches for the file."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from retrieval_service import errors
from retrieval_service.domain.operations.backups import Manifest, Unusable, parsed
from retrieval_service.postgres import tools
from retrieval_service.postgres.tools import Target
from retrieval_service.stores.schema import census
from retrieval_service.stores.schema.census import Moment

TABLE_BEGINS = "dumping contents of table"
LOCK_PATIENCE_MILLISECONDS = 60_000


async def back_up(
    dsn: str, file: Path, *, on_tables: Callable[[int], None], on_table: Callable[[], None]
) -> Manifest:
    """Searches and writes go on meanwhile; the file holds one moment of the database.

    `on_tables` is told how many tables there are, `on_table` each time that one begins. Raises `errors.Misconfigured`
    when the file exists, its folder does not, or nothing here can read the server.
    """
    await asyncio.to_thread(require_room, file)
    target = target_of(dsn)
    async with census.connected(dsn) as connection, census.one_moment(connection) as moment:
        on_tables(len(moment.standing.rows))
        release = moment.standing.server_version // 10_000
        program = await tools.find("pg_dump", release=release, needs_tls=target.needs_tls)
        with _writable(file):
            scratch = await asyncio.to_thread(_begun, file)
        try:
            arguments = _arguments(moment, scratch)
            await tools.run(
                program, arguments, target, on_line=lambda line: on_table() if TABLE_BEGINS in line else None
            )
            with _writable(file):
                return await asyncio.to_thread(_published, scratch, file, moment, program.release)
        finally:
            await asyncio.to_thread(scratch.unlink, missing_ok=True)


def manifest_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


def target_of(dsn: str) -> Target:
    """The password goes into the environment of the program, where other users of the machine do not see it."""
    told = census.address(dsn)
    secrets = {"PGPASSWORD": told.password} if told.password else {}
    return Target(conninfo=told.conninfo, secrets=secrets, needs_tls=told.sslmode in tools.TLS_MODES)


def read_manifest(file: Path) -> Manifest:
    """Raises `Unusable` for a file that is not what its manifest says."""
    manifest = glance_at(file)
    with _readable(file):
        if digest(file) != manifest.sha256:
            raise Unusable(f"{file} is damaged: it is not the file that its manifest describes")
    return manifest


def glance_at(file: Path) -> Manifest:
    """As `read_manifest`, and only as far as it takes no time: before a database is started for the backup."""
    with _readable(file):
        if file.is_dir():
            raise Unusable(f"{file} is a folder; name the file of a backup")
        if file.exists() and not file.is_file():
            raise Unusable(f"{file} is no regular file, which a backup is")
        byte_count = _size(file)
        manifest = _manifest(file)
        if byte_count != manifest.byte_count:
            raise Unusable(f"{file} is damaged: it is not the file that its manifest describes")
        return manifest


def digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def require_room(file: Path) -> None:
    """Raises `errors.Misconfigured` where no new file can be made."""
    with _writable(file):
        if file.is_dir():
            raise errors.Misconfigured(f"{file} is a folder; name a new file in it.")
        if not file.parent.is_dir():
            raise errors.Misconfigured(f"There is no folder {file.parent} for the backup.")
        for taken in (file, manifest_of(file)):
            if taken.exists():
                raise errors.Misconfigured(f"{taken} exists already; a backup never replaces another one.")
        if not os.access(file.parent, os.W_OK | os.X_OK):
            raise errors.Misconfigured(f"{file} cannot be written: the folder is closed to this account.")


@contextlib.contextmanager
def _writable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise errors.Misconfigured(f"{file} cannot be written: {error.strerror}.") from error


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise Unusable(f"there is no file {error.filename or file}") from error
    except OSError as error:
        raise Unusable(f"{error.filename or file} cannot be read: {error.strerror}") from error


def _size(file: Path) -> int:
    with file.open("rb") as content:
        beginning = content.read(1)
    if not beginning:
        raise Unusable(f"{file} is empty, which no backup is")
    return file.stat().st_size


def _manifest(file: Path) -> Manifest:
    path = manifest_of(file)
    try:
        return parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Unusable(f"{file} is no backup: it needs its manifest {path.name} beside it") from error
    except UnicodeDecodeError as error:
        raise Unusable(f"{path}: the manifest is not one of a backup") from error
    except Unusable as error:
        raise Unusable(f"{path}: {error}") from error


def _arguments(moment: Moment, scratch: Path) -> list[str]:
    """Remarks need rights that a restoring role may not have; tables of other programs are theirs to back up."""
    return [
        "--format=custom",
        "--verbose",
        "--no-comments",
        "--extension=vector",
        f"--snapshot={moment.snapshot}",
        f"--lock-wait-timeout={LOCK_PATIENCE_MILLISECONDS}",
        *(f'--exclude-table=public."{name}"' for name in moment.strangers),
        *(f'--exclude-schema="{name}"' for name in moment.other_schemas),
        f"--file={scratch}",
    ]


def _begun(file: Path) -> Path:
    """Under another name, and for our eyes only."""
    scratch = file.with_name(f"{file.name}.unfinished")
    scratch.unlink(missing_ok=True)
    os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return scratch


def _published(scratch: Path, file: Path, moment: Moment, release: int) -> Manifest:
    """The backup's own name comes last: a file that has it is whole, and so is its manifest."""
    manifest = Manifest(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        tool_release=release,
        byte_count=scratch.stat().st_size,
        sha256=digest(scratch),
        standing=moment.standing,
    )
    written = _begun(manifest_of(file))
    written.write_text(manifest.text(), encoding="utf-8")
    for one in (scratch, written):
        _settle(one)
    written.rename(manifest_of(file))
    scratch.rename(file)
    _settle(file.parent)
    return manifest


def _settle(path: Path) -> None:
    """On the disk, also when the power goes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
