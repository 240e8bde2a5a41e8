"""A tenant may leave the retrieval provider for good: workers remove what is held there."""

from __future__ import annotations

from alembic import op

from retrieval_service.migrations.rows import seen

revision = "0017"
down_revision = "0016"

UP = "ALTER TABLE tenants ADD COLUMN leaves_provider boolean NOT NULL DEFAULT false"
# A deleted tenant's files were kept until now.
LEAVE = """
UPDATE tenants t SET leaves_provider = true
WHERE deleted_at IS NOT NULL AND EXISTS (SELECT FROM vector_stores v WHERE v.tenant_id = t.id)
"""
DOWN = "ALTER TABLE tenants DROP COLUMN leaves_provider"


def upgrade() -> None:
    op.execute(UP)
    with seen("tenants", "vector_stores"):
        op.execute(LEAVE)


def downgrade() -> None:
    op.execute(DOWN)
