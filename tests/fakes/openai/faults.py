"""What goes wrong between the fake and its client, before any resource has its say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Drop(StrEnum):
    """The connection dies without an answer, and the request had its effect or had not."""

    BEFORE_EFFECT = "before_effect"
    AFTER_EFFECT = "after_effect"


@dataclass(kw_only=True)
class Fault:
    """Befalls the next `times` requests whose path ends with `path`.

    `delay_seconds` comes before the first byte, `hangs` is a delay without end. Without `status` and `drop`
    the request is then answered as usual.
    """

    path: str
    times: int = 1
    delay_seconds: float = 0.0
    hangs: bool = False
    drop: Drop | None = None
    status: int | None = None
    code: str | None = None
    kind: str = "server_error"
    message: str = "injected"
    headers: Mapping[str, str] = field(default_factory=dict)


class Faults:
    """The faults still to come."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._pending.append(fault)

    def take(self, path: str) -> Fault | None:
        """The oldest fault for a path, spent once."""
        fault = next((fault for fault in self._pending if path.endswith(fault.path)), None)
        if fault:
            self._spend(fault)
        return fault

    def _spend(self, fault: Fault) -> None:
        fault.times -= 1
        if fault.times <= 0:
            self._pending.remove(fault)
