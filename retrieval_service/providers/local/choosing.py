"""Which of the local models are used: those that are asked for, or those whose files are there."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Any

from retrieval_service import errors
from retrieval_service.domain.indexing.chunking import ChunkPolicy
from retrieval_service.providers.local import composite, e5, minilm
from retrieval_service.providers.local.composite import open_composite
from retrieval_service.providers.local.e5 import open_e5
from retrieval_service.providers.local.embedding import LocalEmbedder
from retrieval_service.providers.local.minilm import open_minilm
from retrieval_service.providers.local.model_files import E5, MINILM, Wheel, has
from retrieval_service.providers.local.passages import e5_chunk_policy, minilm_chunk_policy


class Choice(StrEnum):
    """The best first."""

    BOTH = "both"
    E5 = "e5"
    MINILM = "minilm"


AUTO = "auto"
_OPENING = {Choice.BOTH: open_composite, Choice.E5: open_e5, Choice.MINILM: open_minilm}
_WHEELS = {Choice.BOTH: (E5, MINILM), Choice.E5: (E5,), Choice.MINILM: (MINILM,)}
_KEYS = {
    composite.SPACE.key: Choice.BOTH,
    e5.SPACE.key: Choice.E5,
    minilm.SPACE.key: Choice.MINILM,
}


async def open_chosen(setting: str, model_dir: Path | None) -> LocalEmbedder[Any]:
    """Raises `errors.Misconfigured` when a model that it needs is missing or altered."""
    choice = await asyncio.to_thread(chosen, setting, model_dir)
    return await _OPENING[choice](model_dir)


async def open_space(key: str, model_dir: Path | None) -> LocalEmbedder[Any] | None:
    """The model of a space by the space's key; None for a space of none of them, and where its files are missing.

    Raises `errors.Misconfigured` when they were altered.
    """
    choice = choice_of(key)
    if choice is None or await asyncio.to_thread(missing, choice, model_dir):
        return None
    return await _OPENING[choice](model_dir)


def choice_of(key: str) -> Choice | None:
    """What opens the space with this key; None for a space of no local model."""
    return _KEYS.get(key)


def missing(choice: Choice, model_dir: Path | None) -> list[Wheel]:
    """Those of its wheels whose files are not there."""
    return [wheel for wheel in _WHEELS[choice] if not has(wheel, model_dir)]


def chunk_policy(setting: str, model_dir: Path | None) -> ChunkPolicy:
    """The same as the opened embedder's, without its networks."""
    is_minilm = chosen(setting, model_dir) is Choice.MINILM
    return minilm_chunk_policy(model_dir) if is_minilm else e5_chunk_policy(model_dir)


def chosen(setting: str, model_dir: Path | None) -> Choice:
    """Looks whether the files are there and reads none; raises `errors.Misconfigured` when there are none."""
    if setting != AUTO:
        return Choice(setting)
    for choice in Choice:
        if not missing(choice, model_dir):
            return choice
    commands = f"{E5.install_command} (all languages), {MINILM.install_command} (English)"
    raise errors.Misconfigured(f"No embedded model was found{_within(model_dir)}. Either or both: {commands}")


def _within(model_dir: Path | None) -> str:
    return f" in {model_dir}" if model_dir else ""
