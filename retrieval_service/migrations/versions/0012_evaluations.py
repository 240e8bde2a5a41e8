"""What runs of labelled questions measured."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"

UP = """
CREATE TABLE answer_evaluations (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    set_name text NOT NULL,
    answerer text NOT NULL,
    figures jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX answer_evaluations_by_age ON answer_evaluations (tenant_id, created_at, id);
ALTER TABLE answer_evaluations ENABLE ROW LEVEL SECURITY;
ALTER TABLE answer_evaluations FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON answer_evaluations TO kladez_tenant
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON answer_evaluations TO kladez_tenant
"""
DOWN = "DROP TABLE answer_evaluations"


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
