"""A tenant may be given a vector store that exists already and holds files of others."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0023"

UP = "ALTER TABLE vector_stores ADD COLUMN is_adopted boolean NOT NULL DEFAULT false"
DOWN = "ALTER TABLE vector_stores DROP COLUMN is_adopted"


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
