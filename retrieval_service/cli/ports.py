"""Ports for the children: the wanted one, or the next that is free."""

from __future__ import annotations

import socket

from retrieval_service import errors

_TRIES = 50


def choose(host: str, preferred: int, *, given: int | None) -> int:
    """A port nobody listens on. Raises `Misconfigured` when the port that was `given` is taken."""
    if given is not None:
        if given and not is_free(host, given):
            raise errors.Misconfigured(f"Port {given} is taken by another program.")
        return given or any_free(host)
    wanted = range(preferred, min(preferred + _TRIES, 65_536))
    return next((port for port in wanted if is_free(host, port)), None) or any_free(host)


def is_free(host: str, port: int) -> bool:
    try:
        socket.create_server((host, port)).close()
    except OSError:
        return False
    return True


def any_free(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return probe.getsockname()[1]
