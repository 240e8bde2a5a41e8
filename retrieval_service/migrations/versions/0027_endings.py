"""Questions that were offered what perhaps helps are collected too; whether a customer asked for a person is kept."""

from __future__ import annotations

from alembic import op

from retrieval_service.migrations import indexes, rows

revision = "0027"
down_revision = "0026"

UNGROUPED = """ON chat_logs (tenant_id, created_at) WHERE gap_id IS NULL
    AND (finish_reason = 'no_relevant_content' OR rating = -1 OR (finish_reason = 'not_sure' AND rating IS NULL))
"""
WANTS_HUMAN = "ALTER TABLE chat_logs ADD COLUMN wants_human boolean NOT NULL DEFAULT false"
INBOX = """
DROP TRIGGER chat_logs_to_inbox ON chat_logs;
CREATE TRIGGER chat_logs_to_inbox AFTER UPDATE ON chat_logs FOR EACH ROW
    WHEN (NEW.gap_id IS NULL
        AND (NEW.finish_reason = 'no_relevant_content' OR NEW.rating = -1
            OR (NEW.finish_reason = 'not_sure' AND NEW.rating IS NULL))
        AND (NEW.finish_reason, coalesce(NEW.rating, 0)) <> (OLD.finish_reason, coalesce(OLD.rating, 0)))
    EXECUTE FUNCTION chat_logs_to_inbox()
"""

FORMER_UNGROUPED = """ON chat_logs (tenant_id, created_at)
    WHERE gap_id IS NULL AND (finish_reason = 'no_relevant_content' OR rating = -1)
"""
FORMER_INBOX = """
DROP TRIGGER chat_logs_to_inbox ON chat_logs;
CREATE TRIGGER chat_logs_to_inbox AFTER UPDATE ON chat_logs FOR EACH ROW
    WHEN (NEW.gap_id IS NULL AND (NEW.finish_reason = 'no_relevant_content' OR NEW.rating = -1)
        AND (NEW.finish_reason, coalesce(NEW.rating, 0)) <> (OLD.finish_reason, coalesce(OLD.rating, 0)))
    EXECUTE FUNCTION chat_logs_to_inbox()
"""
# The program before knows no such ending.
NOT_ANSWERED = "UPDATE chat_logs SET finish_reason = 'no_relevant_content' WHERE finish_reason = 'not_sure'"
NOBODY_WANTED = "ALTER TABLE chat_logs DROP COLUMN wants_human"


def upgrade() -> None:
    """The index first: what is done before one is committed by itself."""
    indexes.create("chat_logs_ungrouped", UNGROUPED)
    for statements in (WANTS_HUMAN, INBOX):
        op.execute(statements)


def downgrade() -> None:
    indexes.create("chat_logs_ungrouped", FORMER_UNGROUPED)
    op.execute(FORMER_INBOX)
    with rows.seen("chat_logs"):
        op.execute(NOT_ANSWERED)
    op.execute(NOBODY_WANTED)
