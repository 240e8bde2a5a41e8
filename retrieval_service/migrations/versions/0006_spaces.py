"""The embedding spaces that each tenant's vectors are kept in, and tokens that remembered questions saved."""

from __future__ import annotations

from alembic import op

from retrieval_service.migrations.rows import seen

revision = "0006"
down_revision = "0005"

# `tenants.space_id` names the active space, the one that searches read; a row here says so too. A space that is
# stale lacks vectors of some chunks, because its embedder was not there when they were written; then a new walk
# over the documents begins.
TABLES = """
CREATE TABLE tenant_spaces (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    space_id integer NOT NULL REFERENCES embedding_spaces (id),
    state text NOT NULL CHECK (state IN ('filling', 'ready', 'active', 'kept', 'dropping')),
    is_automatic boolean NOT NULL DEFAULT false,
    is_stale boolean NOT NULL DEFAULT false,
    total_count bigint NOT NULL DEFAULT 0,
    filled_count bigint NOT NULL DEFAULT 0,
    failed_count bigint NOT NULL DEFAULT 0,
    embedded_tokens bigint NOT NULL DEFAULT 0,
    last_document_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    walk bigint NOT NULL DEFAULT 0,
    next_step_at timestamptz NOT NULL DEFAULT now(),
    error text NOT NULL DEFAULT '',
    sample_count integer NOT NULL DEFAULT 0,
    recall real,
    agreement real,
    verified_at timestamptz,
    keep_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, space_id)
);
CREATE UNIQUE INDEX tenant_spaces_active ON tenant_spaces (tenant_id) WHERE state = 'active';
CREATE INDEX tenant_spaces_due ON tenant_spaces (next_step_at) WHERE state = 'filling' OR is_stale
"""

ACTIVE = """
INSERT INTO tenant_spaces (tenant_id, space_id, state)
SELECT id, space_id, 'active' FROM tenants WHERE space_id IS NOT NULL
"""

USAGE = "ALTER TABLE usage_daily ADD COLUMN cache_saved_tokens bigint NOT NULL DEFAULT 0"

SECURITY = """
ALTER TABLE tenant_spaces ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_spaces FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON tenant_spaces TO kladez_tenant
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_spaces TO kladez_tenant;
CREATE POLICY every_row ON tenant_spaces TO kladez_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_spaces TO kladez_operator
"""

DOWN = """
DROP TABLE tenant_spaces;
ALTER TABLE usage_daily DROP COLUMN cache_saved_tokens
"""


def upgrade() -> None:
    op.execute(TABLES)
    with seen("tenants"):
        op.execute(ACTIVE)
    for statements in (USAGE, SECURITY):
        op.execute(statements)


def downgrade() -> None:
    op.execute(DOWN)
