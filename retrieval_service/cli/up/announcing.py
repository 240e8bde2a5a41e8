"""What `kladez up` says when everything runs: where the page is, and lines to paste."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path

from retrieval_service.cli import output
from retrieval_service.cli import profile as profiles
from retrieval_service.cli.profile import Profile
from retrieval_service.cli.up import demo
from retrieval_service.postgres.embedded import default_data_dir


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """Nothing in it is secret: `kladez ask` reads the key from the profile, `curl` from a file beside it."""

    page: str
    service_address: str
    tenant_id: str
    public_key: str
    ask: str
    curl: str
    logs: str


def announcement(profile: Profile, *, page: str, public_key: str, data_dir: Path) -> Announcement:
    return Announcement(
        page=page,
        service_address=profile.service_address,
        tenant_id=profile.tenant_id,
        public_key=public_key,
        ask=ask_line(data_dir),
        curl=curl_line(
            profile.service_address,
            profiles.header_file(data_dir),
            use_grpcurl=shutil.which("grpcurl") is not None,
        ),
        logs=str(data_dir / "logs"),
    )


def ask_line(data_dir: Path) -> str:
    folder = [] if data_dir == default_data_dir() else ["--data-dir", str(data_dir)]
    return shlex.join([*program(), *folder, "ask", demo.QUESTION])


def curl_line(address: str, header_file: Path, *, use_grpcurl: bool) -> str:
    """A search that works without the protos: the service describes itself by reflection."""
    data = ["-d", json.dumps({"query": demo.QUESTION, "page_size": 3}, ensure_ascii=False)]
    method = "kladez.v1.SearchService/Search"
    scheme, _, place = address.rpartition("://")
    is_plain = scheme != "https"
    if use_grpcurl:  # which reads no headers from files
        header = f'-H "$(cat {shlex.quote(str(header_file))})"'
        options = ["-plaintext"] if is_plain else []
        return f"grpcurl {header} {shlex.join([*options, *data, place, method])}"
    options = ["--http2-prior-knowledge"] if is_plain else []
    url = f"{'http' if is_plain else 'https'}://{place}/{method}"
    return shlex.join(["buf", "curl", "--protocol", "grpc", *options, "-H", f"@{header_file}", *data, url])


def program() -> list[str]:
    """How this command can be called again from where we are."""
    return ["kladez"] if shutil.which("kladez") else [sys.executable, "-m", "retrieval_service.cli.main"]


def say(one: Announcement) -> None:
    output.line()
    output.line(f"  Page      {one.page}", style="bold")
    output.line(f"  Service   {one.service_address}")
    output.line(f"  Logs      {one.logs}")
    output.line()
    output.line("Ask in another terminal:")
    output.line(f"  {one.ask}")
    output.line("Search over plain gRPC:")
    output.line(f"  {one.curl}")
    output.line()
    output.line("Ctrl-C stops all of it.")


def open_browser(page: str) -> None:
    if has_display():
        webbrowser.open(page)


def has_display() -> bool:
    if os.environ.get("CI"):
        return False
    is_desktop = sys.platform in {"darwin", "win32"}
    return is_desktop or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
