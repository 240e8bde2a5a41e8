"""Generates `protos/gen` from `protos/kladez`: messages, async stubs and their types.

`python protos/generate.py` writes them; `--check` exits 1 and names the files that are stale instead.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).parent
GENERATED = PROTOS / "gen" / "kladez"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = Path(folder) / "kladez"
        if "--check" in sys.argv[1:]:
            return report(stale(fresh, GENERATED))
        shutil.rmtree(GENERATED, ignore_errors=True)
        shutil.copytree(fresh, GENERATED)
    return 0


def generate(target: Path) -> None:
    """Writes the package `kladez` below `target`."""
    # protoc looks for its plugins on PATH; they are installed beside this interpreter.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    sources = sorted(str(path) for path in PROTOS.glob("kladez/v1/*.proto"))
    code = protoc.main(
        [
            "protoc",
            f"-I{PROTOS}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet,only_async:{target}",
            *sources,
        ]
    )
    if code:
        raise SystemExit(code)
    for package in (target / "kladez", target / "kladez" / "v1"):
        (package / "__init__.py").write_text("")
    (target / "kladez" / "py.typed").write_text("")


def stale(fresh: Path, checked_in: Path) -> list[str]:
    """Names, relative to the package, that differ or stand on one side only."""
    names = {
        path.relative_to(root)
        for root in (fresh, checked_in)
        for path in root.rglob("*.py*")
        if path.suffix != ".pyc"
    }
    return sorted(str(name) for name in names if not same(fresh / name, checked_in / name))


def same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def report(names: list[str]) -> int:
    for name in names:
        sys.stderr.write(f"stale: protos/gen/kladez/{name} (run `make protos`)\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
