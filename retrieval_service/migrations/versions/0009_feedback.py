"""Ratings of answers, and questions without a good answer collected in groups."""

from __future__ import annotations

from alembic import op

from retrieval_service.migrations.rows import seen

revision = "0009"
down_revision = "0008"

CHAT_LOGS = """
ALTER TABLE chat_logs
    ADD COLUMN rating smallint CHECK (rating IN (-1, 1)),
    ADD COLUMN rating_reason text NOT NULL DEFAULT '' CHECK (char_length(rating_reason) <= 1000),
    ADD COLUMN rated_at timestamptz,
    ADD COLUMN gap_id uuid;
CREATE INDEX chat_logs_by_time ON chat_logs (tenant_id, created_at DESC, id DESC)
"""

# A group's wording, count and times are those of the questions in it, so that an erased one leaves nothing behind.
# `is_answered` is what asking again said last. A tenant stands in the inbox while questions wait to be grouped;
# `arrivals` tells whether more came meanwhile.
TABLES = """
CREATE TABLE question_gaps (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    id uuid NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'resolved', 'ignored')),
    space_id integer REFERENCES embedding_spaces (id),
    vector vector,
    document_id uuid,
    is_answered boolean,
    resolved_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE chat_logs
    ADD FOREIGN KEY (tenant_id, gap_id) REFERENCES question_gaps (tenant_id, id) ON DELETE SET NULL (gap_id);
CREATE INDEX chat_logs_by_gap ON chat_logs (tenant_id, gap_id, created_at, id) WHERE gap_id IS NOT NULL;
CREATE INDEX chat_logs_ungrouped ON chat_logs (tenant_id, created_at)
    WHERE gap_id IS NULL AND (finish_reason = 'no_relevant_content' OR rating = -1);

CREATE TABLE gap_inbox (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id),
    arrivals bigint NOT NULL DEFAULT 1,
    due_at timestamptz NOT NULL DEFAULT now()
)
"""

SECURITY = """
DO $$
DECLARE
    table_name text;
    own text := 'tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid';
BEGIN
    FOREACH table_name IN ARRAY ARRAY['question_gaps', 'gap_inbox'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
        EXECUTE format('CREATE POLICY own_rows ON %I TO kladez_tenant USING (%s) WITH CHECK (%s)',
                       table_name, own, own);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO kladez_tenant', table_name);
    END LOOP;
END $$;
CREATE POLICY every_row ON gap_inbox TO kladez_operator USING (true);
GRANT SELECT, UPDATE ON gap_inbox TO kladez_operator
"""

# Updated and not left alone on a conflict: whoever empties the inbox then waits for this transaction.
INBOX = """
CREATE FUNCTION chat_logs_to_inbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO gap_inbox AS i (tenant_id) VALUES (NEW.tenant_id)
    ON CONFLICT (tenant_id) DO UPDATE SET arrivals = i.arrivals + 1, due_at = now();
    RETURN NULL;
END $$;
CREATE TRIGGER chat_logs_to_inbox AFTER UPDATE ON chat_logs FOR EACH ROW
    WHEN (NEW.gap_id IS NULL AND (NEW.finish_reason = 'no_relevant_content' OR NEW.rating = -1)
        AND (NEW.finish_reason, coalesce(NEW.rating, 0)) <> (OLD.finish_reason, coalesce(OLD.rating, 0)))
    EXECUTE FUNCTION chat_logs_to_inbox()
"""

WAITING = """
INSERT INTO gap_inbox (tenant_id)
SELECT DISTINCT tenant_id FROM chat_logs WHERE finish_reason = 'no_relevant_content'
"""

DOWN = """
DROP TRIGGER chat_logs_to_inbox ON chat_logs;
DROP FUNCTION chat_logs_to_inbox();
DROP INDEX chat_logs_by_time;
ALTER TABLE chat_logs DROP COLUMN gap_id, DROP COLUMN rating, DROP COLUMN rating_reason, DROP COLUMN rated_at;
DROP TABLE gap_inbox, question_gaps
"""


def upgrade() -> None:
    for statements in (CHAT_LOGS, TABLES, SECURITY, INBOX):
        op.execute(statements)
    with seen("chat_logs", "gap_inbox"):
        op.execute(WAITING)


def downgrade() -> None:
    op.execute(DOWN)
