"""Answers that belong to whoever writes them, what follow-up questions were turned into, and handoffs."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"

# Who writes an answer says so every second; after `lease_until` nobody does any more.
CHAT_LOGS = """
ALTER TABLE chat_logs
    ADD COLUMN standalone_question text NOT NULL DEFAULT '',
    ADD COLUMN writer uuid,
    ADD COLUMN lease_until timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN is_cancel_wanted boolean NOT NULL DEFAULT false;
CREATE INDEX chat_logs_running ON chat_logs (tenant_id, id) WHERE status = 'running'
"""

# Of a code only its hash is kept. A claimed row tells where the conversation went on.
TABLES = """
CREATE TABLE handoffs (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    code_hash bytea NOT NULL UNIQUE,
    session_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    claimed_at timestamptz,
    channel text NOT NULL DEFAULT '',
    user_key text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, code_hash),
    FOREIGN KEY (tenant_id, session_id) REFERENCES chat_sessions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX handoffs_by_session ON handoffs (tenant_id, session_id)
"""

# A code does not say whose it is, so it is claimed through the operator's door, which sees no user there. Through
# the same door abandoned answers are marked, without a look at what was asked or said.
SECURITY = """
ALTER TABLE handoffs ENABLE ROW LEVEL SECURITY;
ALTER TABLE handoffs FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON handoffs TO kladez_tenant
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON handoffs TO kladez_tenant;
CREATE POLICY every_row ON handoffs TO kladez_operator USING (true);
GRANT SELECT (tenant_id, code_hash, session_id, expires_at, claimed_at), UPDATE (claimed_at, channel, user_key), DELETE
    ON handoffs TO kladez_operator;
CREATE POLICY every_standing ON chat_logs FOR SELECT TO kladez_operator USING (true);
CREATE POLICY abandoned ON chat_logs FOR UPDATE TO kladez_operator
    USING (status = 'running' AND lease_until < now()) WITH CHECK (status IN ('interrupted', 'cancelled'));
GRANT SELECT (tenant_id, id, status, lease_until, is_cancel_wanted), UPDATE (status, finished_at)
    ON chat_logs TO kladez_operator
"""

DOWN = """
DROP TABLE handoffs;
DROP POLICY abandoned ON chat_logs;
DROP POLICY every_standing ON chat_logs;
REVOKE ALL ON chat_logs FROM kladez_operator;
REVOKE ALL (tenant_id, id, status, lease_until, is_cancel_wanted, finished_at) ON chat_logs FROM kladez_operator;
DROP INDEX chat_logs_running;
ALTER TABLE chat_logs DROP COLUMN standalone_question, DROP COLUMN writer, DROP COLUMN lease_until,
    DROP COLUMN is_cancel_wanted
"""


def upgrade() -> None:
    for statements in (CHAT_LOGS, TABLES, SECURITY):
        op.execute(statements)


def downgrade() -> None:
    op.execute(DOWN)
