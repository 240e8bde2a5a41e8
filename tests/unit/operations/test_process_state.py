"""A test that changes what the whole process shares changes it for itself alone."""

from __future__ import annotations

import gc
import io
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from tests.kits.process_state import left_as_found

log = structlog.get_logger("kladez.test")


def environment() -> object:
    return dict(os.environ)


def level() -> object:
    return logging.getLogger("psycopg.pool").level


def collector() -> object:
    return gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()


def handler() -> object:
    return signal.getsignal(signal.SIGTERM)


def set_variable() -> None:
    os.environ["KLADEZ_LEFT_BEHIND"] = "1"
    del os.environ["PATH"]


def stop_collecting() -> None:
    gc.freeze()
    gc.disable()
    gc.set_threshold(1)


@pytest.mark.parametrize(
    ("look", "change"),
    [
        (environment, set_variable),
        (os.getcwd, lambda: os.chdir(Path.home().anchor)),
        (level, lambda: logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)),
        (collector, stop_collecting),
        (handler, lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)),
        (structlog.get_config, lambda: structlog.configure(processors=[])),
    ],
)
def test_what_a_test_changes_is_put_back(look: Callable[[], object], change: Callable[[], object]) -> None:
    before = look()
    with left_as_found():
        change()
        assert look() != before
    assert look() == before


def test_logger_used_while_a_command_ran_can_be_captured_afterwards() -> None:
    lines = io.StringIO()
    with left_as_found():
        structlog.configure(
            logger_factory=structlog.PrintLoggerFactory(lines), cache_logger_on_first_use=True
        )
        log.info("of_the_command")
    with capture_logs() as captured:
        log.info("of_the_next_test")
    assert "of_the_command" in lines.getvalue()
    assert [line["event"] for line in captured] == ["of_the_next_test"]
