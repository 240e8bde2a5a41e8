"""Tables of other databases that documents are made of, and when each schedule ran last."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
CREATE TABLE sources (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    name text NOT NULL,
    dsn_variable text NOT NULL,
    source_type text NOT NULL,
    ids_query text NOT NULL,
    all_query text NOT NULL,
    id_column text NOT NULL,
    updated_at_column text NOT NULL DEFAULT '',
    title_template text NOT NULL DEFAULT '',
    text_template text NOT NULL,
    url_template text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT '',
    section_column text NOT NULL DEFAULT '',
    tags_column text NOT NULL DEFAULT '',
    metadata_columns jsonb NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 1,
    last_sync_at timestamptz,
    last_error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name),
    UNIQUE (tenant_id, source_type)
);

CREATE TABLE schedule_runs (
    name text PRIMARY KEY,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    error text NOT NULL DEFAULT ''
)
"""

# A schedule has to know whose sources there are, and nothing of what they say.
SECURITY = """
DO $$
DECLARE own text := 'tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid';
BEGIN
    EXECUTE format('CREATE POLICY own_rows ON sources TO kladez_tenant USING (%s) WITH CHECK (%s)', own, own);
END $$;
ALTER TABLE sources ENABLE ROW LEVEL SECURITY;
ALTER TABLE sources FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON sources TO kladez_tenant;
CREATE POLICY every_source ON sources FOR SELECT TO kladez_operator USING (true);
GRANT SELECT (tenant_id, name) ON sources TO kladez_operator;

ALTER TABLE schedule_runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE schedule_runs FORCE ROW LEVEL SECURITY;
CREATE POLICY every_run ON schedule_runs TO kladez_operator USING (true);
GRANT SELECT, INSERT, UPDATE ON schedule_runs TO kladez_operator;
REVOKE ALL ON sources, schedule_runs FROM PUBLIC
"""

DOWN = "DROP TABLE schedule_runs, sources"


def upgrade() -> None:
    for statements in (TABLES, SECURITY):
        op.execute(statements)


def downgrade() -> None:
    op.execute(DOWN)
