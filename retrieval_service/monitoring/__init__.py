"""Pages for operators and their tools, the same for every part: `/metrics`, `/healthz` and `/readyz`."""

from __future__ import annotations

from retrieval_service.monitoring.pages import Check, Watched, answering, ready_answer, serving

__all__ = ["Check", "Watched", "answering", "ready_answer", "serving"]
