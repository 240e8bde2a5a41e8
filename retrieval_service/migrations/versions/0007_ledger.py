"""Rows of sources that an index job is told of, and what each tenant's use cost."""

from __future__ import annotations

from alembic import op

from retrieval_service.migrations.rows import seen

revision = "0007"
down_revision = "0006"

# A row is some ids of one source that are read at once; without ids, whatever changed in the source.
CHANGES = """
ALTER TABLE index_jobs DROP CONSTRAINT index_jobs_mode_check,
    ADD CONSTRAINT index_jobs_mode_check CHECK (mode IN ('missing', 'changed', 'all', 'rebuild'));
CREATE TABLE index_job_changes (
    tenant_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    index_job_id uuid NOT NULL,
    source text NOT NULL,
    ids text[] NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, index_job_id) REFERENCES index_jobs (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX index_job_changes_by_job ON index_job_changes (tenant_id, index_job_id);
CREATE INDEX index_job_changes_due ON index_job_changes (due_at);
ALTER TABLE index_job_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE index_job_changes FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON index_job_changes TO kladez_tenant
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON index_job_changes TO kladez_tenant;
CREATE POLICY every_change ON index_job_changes TO kladez_operator USING (true);
GRANT SELECT, UPDATE ON index_job_changes TO kladez_operator
"""

# Dollars at the prices of the day; tokens of models without a known price are only counted.
LEDGER = """
ALTER TABLE usage_daily
    ADD COLUMN hash_saved_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN unpriced_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN embedding_usd numeric(20, 10) NOT NULL DEFAULT 0,
    ADD COLUMN answering_usd numeric(20, 10) NOT NULL DEFAULT 0,
    ADD COLUMN hash_saved_usd numeric(20, 10) NOT NULL DEFAULT 0
"""

FORGET_JOBS = "DELETE FROM index_jobs WHERE mode = 'changed'"
DOWN = """
ALTER TABLE usage_daily DROP COLUMN hash_saved_tokens, DROP COLUMN unpriced_tokens,
    DROP COLUMN embedding_usd, DROP COLUMN answering_usd, DROP COLUMN hash_saved_usd;
DROP TABLE index_job_changes;
ALTER TABLE index_jobs DROP CONSTRAINT index_jobs_mode_check,
    ADD CONSTRAINT index_jobs_mode_check CHECK (mode IN ('missing', 'all', 'rebuild'))
"""


def upgrade() -> None:
    for statements in (CHANGES, LEDGER):
        op.execute(statements)


def downgrade() -> None:
    with seen("index_jobs"):
        op.execute(FORGET_JOBS)
    op.execute(DOWN)
