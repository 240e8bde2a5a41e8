"""Reasons for refused documents stay with their import, and rows of sources are known by fingerprints."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"

# The reasons are JSON as text: jsonb knows no NUL, which may be what was wrong.
IMPORT_PROBLEMS = """
CREATE TABLE import_problems (
    tenant_id uuid NOT NULL,
    import_id uuid NOT NULL,
    sequence bigint NOT NULL,
    violations text NOT NULL,
    PRIMARY KEY (tenant_id, import_id, sequence),
    FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id) ON DELETE CASCADE
)
"""

# A document was made of a row with this fingerprint, and had this content then.
FINGERPRINTS = """
CREATE TABLE document_fingerprints (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    fingerprint bigint NOT NULL,
    content_hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, document_id),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
)
"""

SECURITY = """
DO $$
DECLARE
    own text := 'tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid';
    table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY['import_problems', 'document_fingerprints'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
        EXECUTE format('CREATE POLICY own_rows ON %I TO kladez_tenant USING (%s) WITH CHECK (%s)',
            table_name, own, own);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO kladez_tenant', table_name);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', table_name);
    END LOOP;
END $$
"""

INDEX_JOBS = """
ALTER TABLE index_job_changes ADD COLUMN every_row boolean NOT NULL DEFAULT false;
ALTER TABLE index_jobs ADD COLUMN row_error text NOT NULL DEFAULT ''
"""

DOWN = """
ALTER TABLE index_jobs DROP COLUMN row_error;
ALTER TABLE index_job_changes DROP COLUMN every_row;
DROP TABLE document_fingerprints, import_problems
"""


def upgrade() -> None:
    for statements in (IMPORT_PROBLEMS, FINGERPRINTS, SECURITY, INDEX_JOBS):
        op.execute(statements)


def downgrade() -> None:
    op.execute(DOWN)
