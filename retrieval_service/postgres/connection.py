"""How to reach the embedded server: one port on this machine, one superuser, one password."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

HOST = "127.0.0.1"
SUPERUSER = "postgres"
DATABASE = "postgres"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """The superuser's way in; its text form never shows the password, its `dsn` does."""

    port: int
    password: str = field(repr=False)

    @property
    def dsn(self) -> str:
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """The DSN of another database of the same server."""
        password = quote(self.password, safe="")
        return f"postgresql://{SUPERUSER}:{password}@{HOST}:{self.port}/{quote(database, safe='')}"
