"""Keeps callers away from a server that fails, and lets one of them try it again after a pause."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CircuitLimits:
    """Opens after so many failures without a success between; a trial is let through after each pause."""

    failures: int = 5
    pause_seconds: float = 30.0


class Circuit:
    """Times are arguments, in seconds of any clock that never goes back."""

    def __init__(self, limits: CircuitLimits) -> None:
        self._limits = limits
        self._failures = 0
        self._next_trial_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= self._limits.failures

    def allows(self, now: float) -> bool:
        """Whether a request may be made.

        While open, a yes is for one trial only. One that ends without a word keeps nobody away for longer
        than another pause.
        """
        if not self.is_open:
            return True
        if now < self._next_trial_at:
            return False
        self._next_trial_at = now + self._limits.pause_seconds
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float) -> None:
        self._failures += 1
        self._next_trial_at = now + self._limits.pause_seconds
