"""How the local models' texts are cut, without loading their networks."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from retrieval_service.domain.indexing.chunking import ChunkPolicy, local_policy, multilingual_policy
from retrieval_service.providers.local import model_files
from retrieval_service.providers.local.e5_file import E5File
from retrieval_service.providers.local.model_files import E5, E5_FILE, MINILM, MINILM_VOCABULARY
from retrieval_service.providers.local.unigram import Unigram
from retrieval_service.providers.local.wordpiece import WordPiece


@lru_cache(maxsize=1)
def minilm_chunk_policy(model_dir: Path | None) -> ChunkPolicy:
    """The same as an opened model's; reads its files."""
    return local_policy(WordPiece(model_files.locate(MINILM, model_dir) / MINILM_VOCABULARY).count)


@lru_cache(maxsize=1)
def e5_chunk_policy(model_dir: Path | None) -> ChunkPolicy:
    """Likewise."""
    file = E5File(model_files.locate(E5, model_dir) / E5_FILE)
    return multilingual_policy(Unigram(file.vocabulary).count)
