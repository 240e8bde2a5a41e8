"""Index jobs, and the documents that each of them waits for."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

# A tenant has one active job at most, so a document waits for one job at most.
TABLES = """
CREATE TABLE index_jobs (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    mode text NOT NULL CHECK (mode IN ('missing', 'all', 'rebuild')),
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'cancelling', 'completed', 'failed', 'cancelled')),
    total_count bigint NOT NULL DEFAULT 0,
    processed_count bigint NOT NULL DEFAULT 0,
    indexed_count bigint NOT NULL DEFAULT 0,
    skipped_count bigint NOT NULL DEFAULT 0,
    failed_count bigint NOT NULL DEFAULT 0,
    removed_count bigint NOT NULL DEFAULT 0,
    embedded_tokens bigint NOT NULL DEFAULT 0,
    saved_tokens bigint NOT NULL DEFAULT 0,
    last_document_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    is_walked boolean NOT NULL DEFAULT false,
    next_step_at timestamptz NOT NULL DEFAULT now(),
    error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX index_jobs_active ON index_jobs (tenant_id)
    WHERE state IN ('queued', 'running', 'cancelling');
CREATE INDEX index_jobs_by_age ON index_jobs (tenant_id, created_at, id);

CREATE TABLE index_job_documents (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    index_job_id uuid NOT NULL,
    outcome text CHECK (outcome IN ('indexed', 'skipped', 'failed', 'removed')),
    embedded_tokens bigint NOT NULL DEFAULT 0,
    saved_tokens bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, document_id),
    FOREIGN KEY (tenant_id, index_job_id) REFERENCES index_jobs (tenant_id, id) ON DELETE CASCADE
)
"""

SECURITY = """
DO $$
DECLARE
    table_name text;
    own text := 'tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid';
BEGIN
    FOREACH table_name IN ARRAY ARRAY['index_jobs', 'index_job_documents'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
        EXECUTE format('CREATE POLICY own_rows ON %I TO kladez_tenant USING (%s) WITH CHECK (%s)',
                       table_name, own, own);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO kladez_tenant', table_name);
    END LOOP;
END $$;
CREATE POLICY every_job ON index_jobs TO kladez_operator USING (true);
GRANT SELECT, UPDATE ON index_jobs TO kladez_operator
"""

DOWN = "DROP TABLE index_job_documents, index_jobs"


def upgrade() -> None:
    for statements in (TABLES, SECURITY):
        op.execute(statements)


def downgrade() -> None:
    op.execute(DOWN)
