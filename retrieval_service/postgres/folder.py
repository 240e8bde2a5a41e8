"""The data folder on disk: where everything lies, who owns it now, its password and how to connect.

All files here belong to the owner alone. Only `postgres/` is handed to the account that runs the server, so
root never writes where somebody else could have planted a link.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TextIO

from retrieval_service import errors
from retrieval_service.postgres.connection import Connection

_CLAIM_ATTEMPTS = 10
_CLAIM_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class DataFolder:
    """Kladez's folder for one embedded Postgres; created by `claim`, private to its owner."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> Self:
        """The folder at `path`, which may be relative to the present working directory."""
        return cls(root=path.absolute())

    @property
    def server(self) -> Path:
        """The part that belongs to the account running Postgres."""
        return self.root / "postgres"

    @property
    def cluster(self) -> Path:
        return self.server / "data"

    @property
    def log(self) -> Path:
        return self.root / "postgres.log"

    @property
    def _password(self) -> Path:
        return self.root / "postgres-password"

    @property
    def _lock(self) -> Path:
        return self.root / "postgres.lock"

    @property
    def _connection(self) -> Path:
        return self.root / "postgres.json"

    def claim(self) -> TextIO:
        """Become the one owner until the returned file is closed, or this process ends in whatever way.

        Raises errors.Misconfigured naming the other owner's process.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        lock = os.fdopen(descriptor, "r+")
        try:
            self._lock_exclusively(lock)
        except errors.Misconfigured:
            lock.close()
            raise
        _overwrite(lock, f"{os.getpid()}\n")
        self.forget_connection()
        return lock

    def owner_pid(self) -> int | None:
        """The process that owns the folder now; None when nobody does."""
        try:
            lock = self._lock.open()
        except FileNotFoundError:
            return None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0)
        return None

    def password(self) -> str:
        """The superuser's password; made up at the first call and kept."""
        try:
            return self._password.read_text().strip()
        except FileNotFoundError:
            return self._new_password()

    def remember_connection(self, connection: Connection) -> None:
        """Let other commands of this user find the running server; the password stays in its own file."""
        _write_private(self._connection, json.dumps({"pid": os.getpid(), "port": connection.port}))

    def forget_connection(self) -> None:
        self._connection.unlink(missing_ok=True)

    def recorded_connection(self) -> Connection | None:
        """What the present owner wrote down; None while no server of this folder takes connections."""
        owner_pid = self.owner_pid()
        try:
            record = json.loads(self._connection.read_text())
        except FileNotFoundError:
            return None
        if record["pid"] != owner_pid:  # left behind by an owner that was killed
            return None
        return Connection(port=record["port"], password=self.password())

    def _new_password(self) -> str:
        if self.cluster.exists():
            raise errors.Misconfigured(
                f"The file {self._password} is missing, and with it the password of {self.cluster}."
            )
        password = secrets.token_urlsafe(32)
        _write_private(self._password, f"{password}\n")
        return password

    def _lock_exclusively(self, lock: TextIO) -> None:
        """A few attempts, because another command's `owner_pid` holds the lock for an instant."""
        for _ in range(_CLAIM_ATTEMPTS):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_CLAIM_PAUSE_SECONDS)
            else:
                return
        lock.seek(0)
        raise errors.Misconfigured(
            f"The data folder {self.root} is in use by process {lock.read().strip()}: "
            "stop that process or choose another data folder."
        )


def _write_private(path: Path, text: str) -> None:
    """Write a file for our eyes only; it appears whole or, after a kill or a power cut, not at all."""
    scratch = path.with_name(f"{path.name}.new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    scratch.replace(path)


def _overwrite(file: TextIO, text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()
