"""How the local model's texts are cut, without loading the model."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from retrieval_service.domain.chunking import ChunkPolicy, local_policy
from retrieval_service.providers.local import model_files
from retrieval_service.providers.local.wordpiece import WordPiece


@lru_cache(maxsize=1)
def chunk_policy(model_dir: Path | None) -> ChunkPolicy:
    """The same as an opened model's; reads its files."""
    return local_policy(WordPiece(model_files.locate(model_dir).vocabulary).count)
