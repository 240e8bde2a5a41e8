"""The operator's role reads no question that two backends were compared by, and no line of what was synchronised."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"

UP = """
REVOKE SELECT ON backend_comparisons, sync_log FROM kladez_operator;
GRANT SELECT (tenant_id, compared_at) ON backend_comparisons TO kladez_operator;
GRANT SELECT (tenant_id, happened_at) ON sync_log TO kladez_operator
"""
DOWN = """
REVOKE SELECT (tenant_id, compared_at) ON backend_comparisons FROM kladez_operator;
REVOKE SELECT (tenant_id, happened_at) ON sync_log FROM kladez_operator;
GRANT SELECT ON backend_comparisons, sync_log TO kladez_operator
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
