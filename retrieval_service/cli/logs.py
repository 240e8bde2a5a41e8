"""How the service and the worker log: one event a line on stderr, for people or as JSON."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor

from retrieval_service import errors
from retrieval_service.config import Settings

FORMATS = ("console", "json")
LEVELS = ("debug", "info", "warning", "error", "critical")


def keep_from_results() -> None:
    """Until a command configures more: only warnings, and never among what it prints."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def configure(settings: Settings) -> None:
    """Raises `Misconfigured` for a level or a format that does not exist."""
    level, form = settings.log_level.lower(), settings.log_format.lower()
    if level not in LEVELS:
        raise errors.Misconfigured(f"KLADEZ_LOG_LEVEL: must be one of {', '.join(LEVELS)}")
    if form not in FORMATS:
        raise errors.Misconfigured(f"KLADEZ_LOG_FORMAT: must be one of {', '.join(FORMATS)}")
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(form),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _rendering(form: str) -> list[Processor]:
    """Local variables stay out of tracebacks: they hold questions and documents."""
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
