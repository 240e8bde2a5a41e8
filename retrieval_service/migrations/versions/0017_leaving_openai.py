"""A tenant may leave the retrieval provider for good: workers remove what is held there."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"

# A deleted tenant's files were kept until now.
UP = """
ALTER TABLE tenants ADD COLUMN leaves_provider boolean NOT NULL DEFAULT false;
UPDATE tenants t SET leaves_provider = true
WHERE deleted_at IS NOT NULL AND EXISTS (SELECT FROM vector_stores v WHERE v.tenant_id = t.id)
"""
DOWN = "ALTER TABLE tenants DROP COLUMN leaves_provider"


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
