"""Ties a new process to its parent, gives up root where asked, and becomes the program.

Run as `python -I -S guard.py PARENT_PID SIGNAL UID:GID|- PROGRAM [ARGUMENT…]`. A script of its own instead
of a `preexec_fn`: no Python of a parent with threads and locks ever runs in a forked copy of it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NoReturn

NOT_PERMITTED = 126
NOT_FOUND = 127
PARENT_IS_GONE = 125

_PR_SET_PDEATHSIG = 1


def main() -> NoReturn:
    parent_pid, death_signal, account, *command = sys.argv[1:]
    _restore_signals()
    if account != "-":
        _become(account)
    _die_with(int(parent_pid), int(death_signal))
    try:
        os.execvp(command[0], command)  # noqa: S606 - the very point: no shell, this process is replaced
    except PermissionError as error:
        _fail(NOT_PERMITTED, error)
    except FileNotFoundError as error:
        _fail(NOT_FOUND, error)


def _restore_signals() -> None:
    """Undo what the interpreter changed; an ignored signal would stay ignored in the program."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def _become(account: str) -> None:
    uid, gid = (int(number) for number in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _die_with(parent_pid: int, death_signal: int) -> None:
    """Ask the kernel for the signal; it comes after `_become`, because a change of user clears the wish."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the wish was heard
        sys.exit(PARENT_IS_GONE)


def _fail(code: int, error: OSError) -> NoReturn:
    sys.stderr.write(f"{error}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
