"""What searches at the retrieval provider cost, beside the tokens."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"

UP = """
ALTER TABLE usage_daily
    ADD COLUMN remote_searches bigint NOT NULL DEFAULT 0,
    ADD COLUMN searching_usd numeric(20, 10) NOT NULL DEFAULT 0
"""
DOWN = "ALTER TABLE usage_daily DROP COLUMN remote_searches, DROP COLUMN searching_usd"


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
