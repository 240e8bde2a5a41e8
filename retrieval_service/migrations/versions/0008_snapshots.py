"""Snapshots of searches: a summary and its hits, kept for a reader until they expire."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

# A hit goes with its document's row, so that nothing quotes what was purged; `hit_count` tells that one is missing.
TABLES = """
CREATE TABLE snapshots (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    id uuid NOT NULL,
    reader_key text NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    query text NOT NULL,
    language text NOT NULL,
    summary text NOT NULL,
    summarizer text NOT NULL,
    hit_count integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, reader_key)
);
CREATE INDEX snapshots_by_expiry ON snapshots (expires_at);

CREATE TABLE snapshot_hits (
    tenant_id uuid NOT NULL,
    snapshot_id uuid NOT NULL,
    number integer NOT NULL,
    document_id uuid NOT NULL,
    chunk_id uuid NOT NULL,
    source_type text NOT NULL,
    external_id text NOT NULL,
    title text NOT NULL,
    section text NOT NULL,
    url text NOT NULL,
    snippet text NOT NULL,
    score double precision NOT NULL,
    PRIMARY KEY (tenant_id, snapshot_id, number),
    FOREIGN KEY (tenant_id, snapshot_id) REFERENCES snapshots (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX snapshot_hits_by_document ON snapshot_hits (tenant_id, document_id)
"""

# The operator's role finds the tenant of a token and prunes, and reads nobody's query or summary.
SECURITY = """
DO $$
DECLARE
    table_name text;
    own text := 'tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid';
BEGIN
    FOREACH table_name IN ARRAY ARRAY['snapshots', 'snapshot_hits'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
        EXECUTE format('CREATE POLICY own_rows ON %I TO kladez_tenant USING (%s) WITH CHECK (%s)',
                       table_name, own, own);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO kladez_tenant', table_name);
    END LOOP;
END $$;
CREATE POLICY every_row ON snapshots TO kladez_operator USING (true);
GRANT SELECT (tenant_id, id, token_hash, expires_at), DELETE ON snapshots TO kladez_operator
"""

DOWN = "DROP TABLE snapshot_hits, snapshots"


def upgrade() -> None:
    for statements in (TABLES, SECURITY):
        op.execute(statements)


def downgrade() -> None:
    op.execute(DOWN)
