"""Ports for the children: the wanted one, or the next that is free."""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection
from dataclasses import dataclass

from retrieval_service import errors

_TRIES = 50


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Where a part shall listen; `given` is the port that somebody asked for, 0 for any, None for nobody.

    `host_setting` and `port_setting` are what a message calls them.
    """

    host: str
    preferred: int
    given: int | None
    host_setting: str
    port_setting: str


def choose(wish: Wish, *, taken: Collection[int] = ()) -> int:
    """A port nobody listens on, and none of those that others of us were given.

    Raises `Misconfigured` when the port that was `given` is taken, or when the host is none of this machine.
    """
    if wish.given:
        if wish.given in taken or not is_free(wish, wish.given):
            raise errors.Misconfigured(
                f"{wish.port_setting}: port {wish.given} of {wish.host} is taken by another program."
            )
        return wish.given
    wanted = () if wish.given == 0 else range(wish.preferred, min(wish.preferred + _TRIES, 65_536))
    free = (port for port in wanted if port not in taken and is_free(wish, port))
    return next(free, None) or any_free(wish.host)


def is_free(wish: Wish, port: int) -> bool:
    """Raises `Misconfigured` for a host that nothing here can listen on."""
    try:
        probe(wish.host, port).close()
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return False
        raise errors.Misconfigured(
            f"{wish.host_setting}: {wish.host} is no address that this machine can listen on ({error.strerror})."
        ) from error
    return True


def any_free(host: str) -> int:
    with probe(host, 0) as found:
        return found.getsockname()[1]


def probe(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    return socket.create_server((bare, port), family=family)
