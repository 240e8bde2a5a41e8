"""Tokens that prove a conversation to whoever speaks with customers, and counts of the questions of a day."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"

# Of a token only its hash is kept, one for each channel that the conversation went to. Older conversations have none
# and are begun anew by the channels.
SESSIONS = "ALTER TABLE chat_sessions ADD COLUMN token_hashes bytea[] NOT NULL DEFAULT '{}'"

# What is counted is a tenant (its name is empty), one of its channels, or one visitor, who is a hash. Room on the page
# lets a count grow in place.
TABLE = """
CREATE TABLE question_counts (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    day date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('tenant', 'channel', 'visitor')),
    name text NOT NULL,
    questions integer NOT NULL,
    PRIMARY KEY (tenant_id, day, kind, name)
) WITH (fillfactor = 50)
"""

SECURITY = """
ALTER TABLE question_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE question_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON question_counts TO kladez_tenant
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON question_counts TO kladez_tenant;
CREATE POLICY every_row ON question_counts TO kladez_operator USING (true);
GRANT SELECT (tenant_id, day), DELETE ON question_counts TO kladez_operator
"""

DOWN = """
DROP TABLE question_counts;
ALTER TABLE chat_sessions DROP COLUMN token_hashes
"""


def upgrade() -> None:
    for statements in (SESSIONS, TABLE, SECURITY):
        op.execute(statements)


def downgrade() -> None:
    op.execute(DOWN)
