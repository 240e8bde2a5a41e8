"""No statistics of which tenants there are: they lie about the newest one, whose first import they made quadratic.

Once the table was analysed without a tenant, Postgres takes it for one row, and any index for as good as the primary
key; a document or chunk is then looked for among all of the tenant's. Without statistics every tenant counts as a
200th of the table.
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"

UP = """
ALTER TABLE documents ALTER tenant_id SET STATISTICS 0;
ALTER TABLE chunks ALTER tenant_id SET STATISTICS 0;
-- What was gathered before stays until somebody clears it, which Postgres can be asked for since 18.
DO $$
DECLARE
    table_name text;
BEGIN
    IF current_setting('server_version_num')::int >= 180000 THEN
        FOREACH table_name IN ARRAY ARRAY['documents', 'chunks'] LOOP
            EXECUTE format('SELECT pg_clear_attribute_stats(''public'', %L, ''tenant_id'', false)', table_name);
        END LOOP;
    END IF;
END $$
"""
DOWN = """
ALTER TABLE documents ALTER tenant_id SET STATISTICS -1;
ALTER TABLE chunks ALTER tenant_id SET STATISTICS -1
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
