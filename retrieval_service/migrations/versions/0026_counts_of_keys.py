"""Questions are counted for each key; the operator's role reads no compared question and no line of the sync log."""

from __future__ import annotations

from alembic import op

from retrieval_service.migrations import rows

revision = "0026"
down_revision = "0025"

COUNTS_OF_KEYS = """
ALTER TABLE question_counts DROP CONSTRAINT question_counts_kind_check;
ALTER TABLE question_counts ADD CONSTRAINT question_counts_kind_check
    CHECK (kind IN ('tenant', 'channel', 'key', 'visitor'))
"""
LESS_FOR_THE_OPERATOR = """
REVOKE SELECT ON backend_comparisons, sync_log FROM kladez_operator;
GRANT SELECT (tenant_id, compared_at) ON backend_comparisons TO kladez_operator;
GRANT SELECT (tenant_id, happened_at) ON sync_log TO kladez_operator
"""

MORE_FOR_THE_OPERATOR = """
REVOKE SELECT (tenant_id, compared_at) ON backend_comparisons FROM kladez_operator;
REVOKE SELECT (tenant_id, happened_at) ON sync_log FROM kladez_operator;
GRANT SELECT ON backend_comparisons, sync_log TO kladez_operator
"""
NO_KEYS = "DELETE FROM question_counts WHERE kind = 'key'"
NO_COUNTS_OF_KEYS = """
ALTER TABLE question_counts DROP CONSTRAINT question_counts_kind_check;
ALTER TABLE question_counts ADD CONSTRAINT question_counts_kind_check
    CHECK (kind IN ('tenant', 'channel', 'visitor'))
"""


def upgrade() -> None:
    for statements in (COUNTS_OF_KEYS, LESS_FOR_THE_OPERATOR):
        op.execute(statements)


def downgrade() -> None:
    op.execute(MORE_FOR_THE_OPERATOR)
    with rows.seen("question_counts"):
        op.execute(NO_KEYS)
    op.execute(NO_COUNTS_OF_KEYS)
