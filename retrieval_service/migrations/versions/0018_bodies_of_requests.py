"""A repeat of a request is known by its whole body: each question keeps a hash of what it was asked with."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"

# What was asked before has none, and is known by its question and conversation as it was until now.
UP = "ALTER TABLE chat_logs ADD COLUMN request_hash bytea"
DOWN = "ALTER TABLE chat_logs DROP COLUMN request_hash"


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
