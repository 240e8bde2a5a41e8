"""The gateway's metrics. Labels are few and fixed; no shop and no text is a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

SOCKETS = Gauge("kladez_gateway_sockets", "Open sockets.")
ANSWERS_RUNNING = Gauge("kladez_gateway_answers_running", "Answers being written.")
FRAMES = Counter("kladez_gateway_frames", "Messages, read from pages and sent to them.", ("direction",))
REFUSALS = Counter(
    "kladez_gateway_refusals", "Connections, sockets and questions that were refused.", ("what", "reason")
)

CONNECTIONS_REFUSED = REFUSALS.labels("connection", "too_many")
READ = FRAMES.labels("read")
SENT = FRAMES.labels("sent")


def note_refused_socket(code: int) -> None:
    """Counts by close code, because the reason may quote a page."""
    REFUSALS.labels("socket", str(code)).inc()


def note_refused_question(code: str) -> None:
    REFUSALS.labels("question", code).inc()
