"""What runs of `kladez eval answers` measured in tenants that are gone since: the last of each set, in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kladez.v1 import insight_service_pb2 as pb

from retrieval_service.cli.failures import Failed

FILE_NAME = "evaluations.json"


def last(data_dir: Path, name: str) -> pb.Evaluation | None:
    """None before the first run of the set; raises `Failed` for a file that is not ours."""
    path = data_dir / FILE_NAME
    kept = _read(path).get(name)
    if kept is None:
        return None
    try:
        return json_format.ParseDict(kept, pb.Evaluation(), ignore_unknown_fields=True)
    except (json_format.ParseError, TypeError) as error:
        raise Failed(f'{path}: "{name}" is no evaluation: mend or remove it.') from error


def keep(data_dir: Path, name: str, evaluation: pb.Evaluation) -> None:
    """In the place of the last run of the set; the folder is made when there is none, for its owner alone."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / FILE_NAME
    kept = {**_read(path), name: json_format.MessageToDict(evaluation)}
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(kept, indent=2, ensure_ascii=False), encoding="utf-8")
    scratch.replace(path)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise Failed(f"{path} cannot be read ({error}): mend or remove it.") from error
    if not isinstance(kept, dict):
        raise Failed(f"{path} is no JSON object: mend or remove it.")
    return kept
