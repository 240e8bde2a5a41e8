"""Which processes run on this database, and what the installation runs with."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"

# The key makes fingerprints of secrets worthless elsewhere; gen_random_bytes would need an extension.
TABLES = """
CREATE TABLE processes (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('server', 'worker', 'once')),
    name text NOT NULL,
    version text NOT NULL,
    settings jsonb NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    alive_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE installation (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    fingerprint_key bytea NOT NULL,
    settings jsonb NOT NULL DEFAULT '{}',
    recorded_by text NOT NULL DEFAULT '',
    recorded_at timestamptz
);

INSERT INTO installation (fingerprint_key)
VALUES (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'))
"""

SECURITY = """
ALTER TABLE processes ENABLE ROW LEVEL SECURITY;
ALTER TABLE processes FORCE ROW LEVEL SECURITY;
CREATE POLICY every_process ON processes TO kladez_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON processes TO kladez_operator;

ALTER TABLE installation ENABLE ROW LEVEL SECURITY;
ALTER TABLE installation FORCE ROW LEVEL SECURITY;
CREATE POLICY only_row ON installation TO kladez_operator USING (true);
GRANT SELECT, UPDATE ON installation TO kladez_operator;
REVOKE ALL ON processes, installation FROM PUBLIC
"""

DOWN = "DROP TABLE processes, installation"


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(SECURITY)


def downgrade() -> None:
    op.execute(DOWN)
