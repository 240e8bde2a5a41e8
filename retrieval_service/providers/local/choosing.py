"""Which of the local models are used: those that are asked for, or those whose files are there."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Any

from retrieval_service import errors
from retrieval_service.domain.chunking import ChunkPolicy
from retrieval_service.providers.local.composite import open_composite
from retrieval_service.providers.local.e5 import open_e5
from retrieval_service.providers.local.embedding import LocalEmbedder
from retrieval_service.providers.local.minilm import open_minilm
from retrieval_service.providers.local.model_files import E5, MINILM, has
from retrieval_service.providers.local.passages import e5_chunk_policy, minilm_chunk_policy


class Choice(StrEnum):
    BOTH = "both"
    E5 = "e5"
    MINILM = "minilm"


AUTO = "auto"
_OPENING = {Choice.BOTH: open_composite, Choice.E5: open_e5, Choice.MINILM: open_minilm}


async def open_chosen(setting: str, model_dir: Path | None) -> LocalEmbedder[Any]:
    """Raises `errors.Misconfigured` when a model that it needs is missing or altered."""
    choice = await asyncio.to_thread(chosen, setting, model_dir)
    return await _OPENING[choice](model_dir)


def chunk_policy(setting: str, model_dir: Path | None) -> ChunkPolicy:
    """The same as the opened embedder's, without its networks."""
    is_minilm = chosen(setting, model_dir) is Choice.MINILM
    return minilm_chunk_policy(model_dir) if is_minilm else e5_chunk_policy(model_dir)


def chosen(setting: str, model_dir: Path | None) -> Choice:
    """Looks whether the files are there and reads none; raises `errors.Misconfigured` when there are none."""
    if setting != AUTO:
        return Choice(setting)
    has_e5, has_minilm = has(E5, model_dir), has(MINILM, model_dir)
    if has_e5:
        return Choice.BOTH if has_minilm else Choice.E5
    if has_minilm:
        return Choice.MINILM
    commands = f"{E5.install_command} (all languages), {MINILM.install_command} (English)"
    raise errors.Misconfigured(f"No embedded model was found{_within(model_dir)}. Either or both: {commands}")


def _within(model_dir: Path | None) -> str:
    return f" in {model_dir}" if model_dir else ""
