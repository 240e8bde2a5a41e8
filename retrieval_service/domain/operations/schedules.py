"""When something that happens again and again is due, by cron strings that are read in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The last run of a schedule; `error` is "" when all went well."""

    name: str
    started_at: datetime
    finished_at: datetime
    error: str


def fault(cron: str) -> str:
    """What is wrong with the cron string; "" when it is fine, or empty, which switches the schedule off."""
    if not cron:
        return ""
    try:
        CronSim(cron, EPOCH)
    except CronSimError as error:
        return f"is no cron string such as 0 2 * * *: {error}"
    return ""


def next_run(cron: str, after: datetime) -> datetime | None:
    """The first moment after the given one; None for a schedule that is off or names no real date.

    `after` is in UTC, where no hour is skipped or repeated.
    """
    return next(CronSim(cron, after), None) if cron else None


def is_due(cron: str, last: Run | None, now: datetime) -> bool:
    """However many runs were missed, one is due; one that never ran is due at once."""
    if last is None:
        return bool(cron)
    following = next_run(cron, last.started_at)
    return following is not None and following <= now
