"""A conversation may go on in another channel: each question keeps the one it was asked in."""

from __future__ import annotations

from alembic import op

from retrieval_service.migrations.rows import seen

revision = "0016"
down_revision = "0015"

UP = "ALTER TABLE chat_logs ADD COLUMN channel text NOT NULL DEFAULT ''"
COPY = """
UPDATE chat_logs l SET channel = s.channel FROM chat_sessions s
WHERE s.tenant_id = l.tenant_id AND s.id = l.session_id
"""
DOWN = "ALTER TABLE chat_logs DROP COLUMN channel"


def upgrade() -> None:
    op.execute(UP)
    with seen("chat_logs", "chat_sessions"):
        op.execute(COPY)


def downgrade() -> None:
    op.execute(DOWN)
