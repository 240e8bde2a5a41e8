"""Which account the embedded Postgres runs as: ourselves, or an unprivileged one when we are root."""

from __future__ import annotations

import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path

from retrieval_service import errors

_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user of the machine, by number."""

    uid: int
    gid: int


def account_for(folder: Path) -> Account | None:
    """Who may run the server whose data lie in `folder`; None means ourselves.

    Postgres refuses to run as root, so root hands over to the folder's owner, or to an account that every
    machine has. Raises errors.Misconfigured when there is none.
    """
    if os.geteuid() != 0:
        return None
    if sys.platform != "linux":  # the server would have to walk through root's private folders
        raise errors.Misconfigured(
            "On this system root cannot run the embedded Postgres: "
            "use an ordinary account or set DATABASE_URL."
        )
    return _owner_of(folder) or _unprivileged()


def _owner_of(folder: Path) -> Account | None:
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return Account(uid=status.st_uid, gid=status.st_gid) if status.st_uid != 0 else None


def _unprivileged() -> Account:
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise errors.Misconfigured(
        "Postgres refuses to run as root and there is no account `postgres` or `nobody` to run it: "
        "use an ordinary account or set DATABASE_URL."
    )
