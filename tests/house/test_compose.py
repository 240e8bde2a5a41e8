"""docker-compose.yml sets what is read, and gives the superuser to nobody but the migration."""

from __future__ import annotations

import re

from tests.house.repository import setting_names, text

# Read by the processes, by docker-compose.yml, and by nobody else.
ONLY_COMPOSE = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}


def test_compose_sets_only_what_is_read() -> None:
    names = set(re.findall(r"^ {6}([A-Z][A-Z0-9_]+):", text("docker-compose.yml"), re.MULTILINE))
    assert "KLADEZ_SERVICE_ADDRESS" in names
    assert sorted(names - setting_names() - ONLY_COMPOSE) == []


def test_compose_gives_the_superuser_to_nobody_but_the_migration() -> None:
    services = re.split(r"^  (?=\w+:$)", text("docker-compose.yml"), flags=re.MULTILINE)
    told = {one.split(":", 1)[0] for one in services if "${POSTGRES_PASSWORD" in one}
    assert told == {"postgres", "migrate"}
