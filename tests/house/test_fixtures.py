"""What most tests ask for is made at one place, so that a name means the same in every file."""

from __future__ import annotations

import re

from tests.house.repository import ROOT, files

SHARED = re.compile(r"^@pytest\S*fixture[^\n]*\n(?:async )?def (running|shop|fake|model)\(", re.MULTILINE)


def test_service_shop_and_fake_are_made_at_one_place() -> None:
    tests = [path for path in files() if path.name.startswith("test_")]
    assert len(tests) > 200
    found = {str(path): SHARED.findall((ROOT / path).read_text(encoding="utf-8")) for path in tests}
    assert {path: names for path, names in found.items() if names} == {}
