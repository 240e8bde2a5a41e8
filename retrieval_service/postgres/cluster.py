"""One Postgres cluster on disk: its creation, its version, the command that runs it, its signs of life."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

from retrieval_service import errors
from retrieval_service.postgres import processes
from retrieval_service.postgres.accounts import Account
from retrieval_service.postgres.binaries import MAJOR_VERSION, Binaries
from retrieval_service.postgres.connection import SUPERUSER
from retrieval_service.postgres.folder import DataFolder
from retrieval_service.postgres.settings import server_settings

_CREATION_TIMEOUT_SECONDS = 300.0
_STOP_GRACE_SECONDS = 60.0
_UNFINISHED = "unfinished-"
_STATUS_LINE = 7  # of postmaster.pid, counted from 0
_PROCESSES = Path("/proc")
_INHERITED = ("PATH", "LD_LIBRARY_PATH")  # the rest of our environment, with its secrets, is not the server's


@dataclass(frozen=True, kw_only=True)
class Postmaster:
    """What `postmaster.pid` says; `status` is empty until the server wrote one."""

    pid: int
    status: str


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The data of one server, the programs for it, and who runs them (None: ourselves)."""

    folder: DataFolder
    binaries: Binaries
    account: Account | None
    durable: bool

    async def create_unless_there(self) -> None:
        """Create the data when there are none. Raises errors.Misconfigured on data of another version."""
        if await asyncio.to_thread(self._is_there):
            return
        password = await asyncio.to_thread(self.folder.password)
        unfinished = await asyncio.to_thread(self._prepared, password)
        outcome = await processes.finish(
            self._creation(unfinished), timeout_seconds=_CREATION_TIMEOUT_SECONDS
        )
        if outcome.returncode != 0:
            raise errors.Unavailable(f"initdb failed: {outcome.output.strip()}")
        await asyncio.to_thread(self._publish, unfinished)

    def server(self, port: int) -> processes.Command:
        """The server itself; SIGINT is Postgres's orderly stop that does not wait for clients."""
        settings = (
            part for setting in server_settings(port, durable=self.durable) for part in ("-c", setting)
        )
        data = self._seen_from_inside(self.folder.cluster)
        return processes.Command(
            name="postgres",
            arguments=(self.binaries.program("postgres"), "-D", data, *settings),
            folder=self.folder.cluster,
            account=self.account,
            environment=_environment(),
            log=self.folder.log,
            stop_signal=signal.SIGINT,
            grace_seconds=_STOP_GRACE_SECONDS,
        )

    def postmaster(self) -> Postmaster | None:
        """The server that wrote the pid file; None when there is no file or it is still being written."""
        try:
            lines = (self.folder.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if not lines:
            return None
        status = lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else ""
        return Postmaster(pid=int(lines[0]), status=status)

    def is_ready(self, pid: int) -> bool:
        """Whether the server with this process id takes connections; during crash recovery it does not."""
        return self.postmaster() == Postmaster(pid=pid, status="ready")

    def survivors(self) -> frozenset[int]:
        """Processes of a server that still works on this data; always empty where there is no /proc."""
        return frozenset(int(entry.name) for entry in _PROCESSES.glob("[0-9]*") if self._is_served_by(entry))

    def forget_postmaster(self) -> None:
        """Remove the pid file of a server without survivors, lest a stranger with its number is taken for it.

        Where survivors cannot be seen it stays: Postgres then judges for itself.
        """
        if _PROCESSES.exists():
            (self.folder.cluster / "postmaster.pid").unlink(missing_ok=True)

    @property
    def _password_for_creation(self) -> Path:
        return self.folder.server / "initdb-password"

    def _is_served_by(self, process: Path) -> bool:
        """Every process of a server has its data as working directory; a person's shell may have so too."""
        try:
            is_postgres = (process / "comm").read_text().strip() == "postgres"
            return is_postgres and (process / "cwd").samefile(self.folder.cluster)
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            return False

    def _is_there(self) -> bool:
        try:
            version = (self.folder.cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return False
        if version != str(MAJOR_VERSION):
            raise errors.Misconfigured(
                f"The data in {self.folder.cluster} are of Postgres {version}, but this is Postgres "
                f"{MAJOR_VERSION}: move them with pg_dump and pg_restore, or choose another data folder."
            )
        return True

    def _creation(self, unfinished: Path) -> processes.Command:
        """An explicit locale: with the machine's own, Russian capitals may stay unfolded or initdb fail."""
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8")
        access = (
            f"--username={SUPERUSER}",
            "--auth=scram-sha-256",
            f"--pwfile=../{self._password_for_creation.name}",
        )
        haste = () if self.durable else ("--no-sync",)
        data = self._seen_from_inside(unfinished)
        return processes.Command(
            name="initdb",
            arguments=(self.binaries.program("initdb"), "-D", data, *locale, *access, *haste),
            folder=unfinished,
            account=self.account,
            environment=_environment(),
        )

    def _seen_from_inside(self, folder: Path) -> str:
        """A name for the folder that a process starts in.

        Another account may not be able to walk there through root's private folders: root starts it inside,
        and nobody's folders have to be opened up.
        """
        return "/proc/self/cwd" if self.account else str(folder)

    def _prepared(self, password: str) -> Path:
        """A new folder for initdb, with the password beside it where its account can read it.

        Earlier attempts are swept away, but their names are not used again: an initdb whose owner was killed
        may still be writing there for a moment.
        """
        self.folder.server.mkdir(mode=0o700, exist_ok=True)
        for earlier in self.folder.server.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(earlier, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder.server))
        self._password_for_creation.unlink(missing_ok=True)
        descriptor = os.open(self._password_for_creation, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{password}\n")
        if self.account:
            for path in (self._password_for_creation, unfinished, self.folder.server):
                os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)
        return unfinished

    def _publish(self, unfinished: Path) -> None:
        """The last step of the creation: data that exist under their final name are always whole."""
        self._password_for_creation.unlink()
        unfinished.rename(self.folder.cluster)


def _environment() -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "LC_ALL": "C"}
