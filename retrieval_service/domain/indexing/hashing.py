"""What of a passage is embedded, and the hash that tells whether it changed."""

from __future__ import annotations

import hashlib

from retrieval_service.text.headings import SEPARATOR
from retrieval_service.text.languages import dominant_script


def embedding_text(title: str, heading: str, text: str) -> str:
    """Title, heading and text on lines of their own, without headings that the text repeats.

    A title in another script is left out: it pulls the vector of a one-language model away from the text.
    """
    script = dominant_script(text)
    names = filter(str.strip, dict.fromkeys([title, *heading.split(SEPARATOR)]))
    return "\n".join([*(name for name in names if name not in text and _fits(name, script)), text])


def chunk_hash(text: str, title: str, heading: str = "") -> bytes:
    """SHA-256 (32 bytes) of everything that vectors and terms of a passage are made of."""
    digest = hashlib.sha256()
    for part in (title, heading, text):
        encoded = part.encode()
        # Lengths first, so that no text can move across the border between two parts.
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.digest()


def _fits(name: str, script: str) -> bool:
    return dominant_script(name) in {"", script}
