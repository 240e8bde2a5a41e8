"""The profile of a data folder: where its service listens and the keys to it, for the owner's eyes only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from retrieval_service import errors
from retrieval_service.cli import private_files

FILE_NAME = "profile.json"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Written by `kladez up`, read by every other command.

    The operator's key serves every tenant, the tenant's key the demo shop alone, the channel's key the
    gateway and the bot's key the bot; `session_secret` lets the gateway's visitors keep their sessions over a restart.
    """

    service_address: str
    tenant_id: str
    operator_key: str = field(repr=False)
    tenant_key: str = field(repr=False)
    channel_key: str = field(repr=False)
    session_secret: str = field(repr=False)
    bot_key: str = field(default="", repr=False)


def load(data_dir: Path) -> Profile | None:
    """None when there is no profile; raises `Misconfigured` when there is one that cannot be read."""
    path = data_dir / FILE_NAME
    try:
        return Profile(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise errors.Misconfigured(
            f"The profile {path} cannot be read ({error}): mend or remove it; `kladez up` writes a new one."
        ) from error


def save(data_dir: Path, profile: Profile) -> None:
    """Beside it, a file with the header of the tenant's key, for programs that take headers from a file."""
    private_files.write(data_dir / FILE_NAME, json.dumps(asdict(profile), indent=2))
    private_files.write(header_file(data_dir), f"authorization: Bearer {profile.tenant_key}\n")


def header_file(data_dir: Path) -> Path:
    return data_dir / "authorization"
