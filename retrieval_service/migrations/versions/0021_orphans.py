"""Documents below a deleted one become roots by the role that deletes.

The action of a foreign key runs as the owner of the table, and so do the triggers behind it from Postgres 18 on: an
owner who is no superuser may queue nothing.
"""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"

# Triggers of one kind run in the order of their names, those of foreign keys as "RI_…": this one comes before.
ORPHANS = """
CREATE FUNCTION documents_orphan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE documents SET parent_id = NULL WHERE tenant_id = OLD.tenant_id AND parent_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER "A_documents_orphan" AFTER DELETE ON documents FOR EACH ROW EXECUTE FUNCTION documents_orphan()
"""
DROP_ORPHANS = 'DROP TRIGGER "A_documents_orphan" ON documents; DROP FUNCTION documents_orphan()'

# The rows are known to hold: the constraint before was the same but for its action.
PARENT = """
ALTER TABLE documents DROP CONSTRAINT documents_parent;
ALTER TABLE documents ADD CONSTRAINT documents_parent FOREIGN KEY (tenant_id, parent_id)
    REFERENCES documents (tenant_id, id) {action} NOT VALID
"""
VALIDATE = "ALTER TABLE documents VALIDATE CONSTRAINT documents_parent"


def upgrade() -> None:
    op.execute(ORPHANS)
    op.execute(PARENT.format(action=""))
    _validate()


def downgrade() -> None:
    op.execute(PARENT.format(action="ON DELETE SET NULL (parent_id)"))
    op.execute(DROP_ORPHANS)
    _validate()


def _validate() -> None:
    """After the commit, so that nobody who writes waits for the scan."""
    with op.get_context().autocommit_block():
        op.execute(VALIDATE)
