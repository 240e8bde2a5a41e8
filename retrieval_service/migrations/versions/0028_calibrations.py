"""How the cosines of a space are read is measured, for models that bring no scale of their own, and kept with it."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"

CALIBRATIONS = """
ALTER TABLE embedding_spaces
    ADD COLUMN calibration jsonb,
    ADD COLUMN calibrated_at timestamptz,
    ADD COLUMN calibration_error text NOT NULL DEFAULT ''
"""
NO_CALIBRATIONS = """
ALTER TABLE embedding_spaces
    DROP COLUMN calibration, DROP COLUMN calibrated_at, DROP COLUMN calibration_error
"""


def upgrade() -> None:
    op.execute(CALIBRATIONS)


def downgrade() -> None:
    op.execute(NO_CALIBRATIONS)
