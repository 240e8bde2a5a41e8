"""What a process has one of, put back after each test: which files come before which must not matter."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import structlog

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGVTALRM)


@contextmanager
def left_as_found() -> Iterator[None]:
    """The log, the environment, the working folder, the collector of garbage and the handlers of signals."""
    with ExitStack() as stack:
        for part in (same_log, same_levels, same_environment, same_folder, same_collector, same_signals):
            stack.enter_context(part())
        yield


@contextmanager
def same_log() -> Iterator[None]:
    """A command that runs in this process configures structlog, and may have each logger keep what it was given."""
    before = structlog.get_config()
    yield
    if structlog.get_config()["cache_logger_on_first_use"] and not before["cache_logger_on_first_use"]:
        for logger in lazy_loggers():
            vars(logger).pop("bind", None)
    structlog.configure(**before)


def lazy_loggers() -> list[object]:
    lazy = type(structlog.get_logger())
    # What stands among the modules need not be one.
    namespaces = [getattr(module, "__dict__", {}) for module in list(sys.modules.values())]
    return [one for namespace in namespaces for one in list(namespace.values()) if type(one) is lazy]


@contextmanager
def same_levels() -> Iterator[None]:
    before = levels()
    yield
    for name, level in levels().items():
        if level != before.get(name, logging.NOTSET):
            logging.getLogger(name).setLevel(before.get(name, logging.NOTSET))


def levels() -> dict[str, int]:
    """Of the loggers that libraries have; the root's has no name."""
    known = logging.root.manager.loggerDict
    named = {name: one.level for name, one in list(known.items()) if isinstance(one, logging.Logger)}
    return named | {"": logging.root.level}


@contextmanager
def same_environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    # pytest changes its own while a test runs.
    ours = {name for name in {*os.environ, *before} if not name.startswith("PYTEST_")}
    for name in ours:
        if name not in before:
            del os.environ[name]
        elif os.environ.get(name) != before[name]:
            os.environ[name] = before[name]


@contextmanager
def same_folder() -> Iterator[None]:
    before = os.getcwd()
    yield
    os.chdir(before)


@contextmanager
def same_collector() -> Iterator[None]:
    """A server that ran in this process has put everything beyond the collector's reach."""
    was_on, thresholds, frozen = gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()
    yield
    if gc.get_freeze_count() > frozen:
        gc.unfreeze()
    gc.set_threshold(*thresholds)
    (gc.enable if was_on else gc.disable)()


@contextmanager
def same_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    if threading.current_thread() is not threading.main_thread():
        return
    for number, handler in before.items():
        # None is a handler that Python has not set and cannot set again.
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)
