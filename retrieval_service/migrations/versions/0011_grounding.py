"""Which sentences of an answer do not rest on its sources."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0009"


def upgrade() -> None:
    op.execute("ALTER TABLE chat_logs ADD COLUMN unsupported jsonb NOT NULL DEFAULT '[]'")


def downgrade() -> None:
    op.execute("ALTER TABLE chat_logs DROP COLUMN unsupported")
