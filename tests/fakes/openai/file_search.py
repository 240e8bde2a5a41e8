"""The Responses API's tool `file_search`: the call with its results, and the citations that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fakes.openai import wire
from tests.fakes.openai.scripts import FIRST_SENTENCE, NOT_FOUND, Script
from tests.fakes.openai.storage import Storage

Body = Mapping[str, Any]
RESULTS = "file_search_call.results"


def store_ids(body: Body) -> list[str]:
    tool = tool_of(body)
    return list(tool["vector_store_ids"]) if tool else []


def call_item(storage: Storage, body: Body, query: str) -> dict[str, Any] | None:
    """None when the request has no such tool; without `include` the results are kept back."""
    tool = tool_of(body)
    if tool is None:
        return None
    limit, threshold = tool.get("max_num_results", 20), (tool.get("ranking_options") or {})
    results = [
        {
            "file_id": entry.file_id,
            "filename": entry.file_name,
            "score": score,
            "attributes": dict(entry.attributes),
            "text": piece,
        }
        for score, entry, piece in storage.search(store_ids(body), query, tool.get("filters"), limit=limit)
        if score >= threshold.get("score_threshold", 0.0)
    ]
    return {
        "id": wire.new_id("fs_"),
        "type": "file_search_call",
        "status": "completed",
        "queries": [query],
        "results": results if RESULTS in (body.get("include") or []) else None,
    }


def answer(script: Script, call: Body) -> str:
    """The first sentence of what fits best."""
    if script.text is not None:
        return script.text
    sentence = FIRST_SENTENCE.match(call["results"][0]["text"]) if call["results"] else None
    return sentence[0].strip() if sentence else NOT_FOUND


def annotations(call: Body, text: str) -> list[dict[str, Any]]:
    """The best file, cited at the end."""
    return [
        {
            "type": "file_citation",
            "file_id": result["file_id"],
            "filename": result["filename"],
            "index": len(text),
        }
        for result in (call["results"] or [])[:1]
    ]


def tool_of(body: Body) -> Body | None:
    return next((tool for tool in body.get("tools") or [] if tool["type"] == "file_search"), None)
