"""A child process for work that would keep this interpreter from everything else: it has a lock of its own.

What it is asked for and what it answers go through its standard input and output, pickled, as between any two
processes of one program. It ends when its input does, so it outlives nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from retrieval_service import errors

Item = TypeVar("Item")

HEADER_BYTES = 8
# Whoever waits for an answer comes first.
NICENESS = 10
# A child that has nothing to do costs memory.
IDLE_SECONDS = 60.0
DEADLINE_SECONDS = 120.0


class ApartFailed(errors.KladezError):
    """The process that was to do this apart failed, or took too long."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """A running process and the two pipes to it."""

    process: subprocess.Popen[bytes]
    questions: asyncio.StreamWriter
    answers: asyncio.StreamReader
    answering: asyncio.ReadTransport

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    async def end(self) -> None:
        self.process.kill()
        self.questions.close()
        self.answering.close()
        await asyncio.to_thread(self.process.wait)


@dataclass(frozen=True, kw_only=True)
class Told:
    """One part of the child's answer: an item, the end, or why there is no end."""

    item: Any = None
    is_end: bool = False
    failure: str = ""


class Apart:
    """One child for one piece of work at a time; it starts with the first, and anew after a failure."""

    def __init__(
        self, *, deadline_seconds: float = DEADLINE_SECONDS, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        """The deadline is for each item."""
        self._deadline_seconds = deadline_seconds
        self._idle_seconds = idle_seconds
        self._child: Child | None = None
        self._turn = asyncio.Lock()
        self._retirement: asyncio.TimerHandle | None = None
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """None while no child runs."""
        return self._child.process.pid if self._child and self._child.is_alive else None

    async def stream(
        self, work: Callable[..., Iterable[Item]], *arguments: Any
    ) -> AsyncGenerator[Item, None]:
        """What `work` yields, one item after another; it must be importable by name, and all of it be picklable.

        Raises `ApartFailed` when the work does, when its process dies, or when an item takes too long.
        """
        async with self._turn:
            self._stay()
            is_done = False
            try:
                child = await self._asked(work, arguments)
                while not (told := await self._told(child)).is_end:
                    yield told.item
                is_done = True
            finally:
                if not is_done:
                    self._kill()  # what it was asked is of no use any more
            loop = asyncio.get_running_loop()
            self._retirement = loop.call_later(self._idle_seconds, self._kill)

    async def close(self) -> None:
        self._stay()
        self._kill()
        await asyncio.gather(*self._endings)

    def _stay(self) -> None:
        if self._retirement:
            self._retirement.cancel()
            self._retirement = None

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child:
            ending = asyncio.ensure_future(child.end())
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    async def _asked(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Child:
        if self._child is None or not self._child.is_alive:
            self._child = await _start()
        child = self._child
        child.questions.write(await asyncio.to_thread(_packed, (work, arguments)))
        with contextlib.suppress(ConnectionError):  # its death is told where its answer is read
            await child.questions.drain()
        return child

    async def _told(self, child: Child) -> Told:
        try:
            async with asyncio.timeout(self._deadline_seconds):
                header = await child.answers.readexactly(HEADER_BYTES)
                body = await child.answers.readexactly(int.from_bytes(header, "big"))
        except TimeoutError as error:
            raise ApartFailed(f"it took longer than {self._deadline_seconds:g} s") from error
        except asyncio.IncompleteReadError as error:
            raise ApartFailed("the process that read it died") from error
        told: Told = await asyncio.to_thread(pickle.loads, body)
        if told.failure:
            raise ApartFailed(told.failure)
        return told


async def _start() -> Child:
    """By a thread, for uvloop's own way is a fork, which gRPC warns of."""
    process = await asyncio.to_thread(_spawned)
    loop = asyncio.get_running_loop()
    answers = asyncio.StreamReader()
    answering, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(answers), process.stdout)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), process.stdin
    )
    questions = asyncio.StreamWriter(transport, protocol, None, loop)
    return Child(process=process, questions=questions, answers=answers, answering=answering)


def _spawned() -> subprocess.Popen[bytes]:
    """In a session of its own: a Ctrl-C reaches only the parent."""
    return subprocess.Popen(  # noqa: S603 - our own program
        (sys.executable, "-m", __name__),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    )


def _packed(message: Any) -> bytes:
    body = pickle.dumps(message)
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def _serve() -> None:
    """The child: answers until there is nothing more to read."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    questions = sys.stdin.buffer
    while header := questions.read(HEADER_BYTES):
        work, arguments = pickle.loads(questions.read(int.from_bytes(header, "big")))  # noqa: S301 - our parent's
        for told in _answered(work, arguments):
            answers.write(_packed(told))
            answers.flush()


def _answered(work: Callable[..., Iterable[Any]], arguments: tuple[Any, ...]) -> Iterable[Told]:
    try:
        for item in work(*arguments):
            yield Told(item=item)
        yield Told(is_end=True)
    except Exception as error:  # noqa: BLE001 - the parent is told, whatever it is
        yield Told(failure=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    # By its name, as the parent has it: pickles of "__main__" would be of another class.
    from retrieval_service import child_process

    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        child_process._serve()
