"""Jobs know how large their documents are: large ones are claimed apart, and no tenant's backlog hides another's."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"

# What waits already counts as small.
COLUMNS = """
ALTER TABLE document_sync_jobs
    ADD COLUMN content_bytes integer,
    ADD COLUMN is_large boolean NOT NULL DEFAULT false
"""

# Whoever queues a document need not know its size. Above 32 KiB, a minute's reading for a person, a document is
# cut into dozens of passages. The size of a long text stands beside it: nothing is read.
MEASURE = """
CREATE FUNCTION document_sync_jobs_measure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.content_bytes IS NULL THEN
        SELECT octet_length(d.content) INTO NEW.content_bytes FROM documents d
        WHERE d.tenant_id = NEW.tenant_id AND d.id = NEW.document_id AND NOT d.is_deleted;
        NEW.content_bytes := coalesce(NEW.content_bytes, 0);
    END IF;
    NEW.is_large := NEW.content_bytes > 32768;
    RETURN NEW;
END $$;
CREATE TRIGGER document_sync_jobs_measure BEFORE INSERT OR UPDATE OF content_bytes ON document_sync_jobs
    FOR EACH ROW EXECUTE FUNCTION document_sync_jobs_measure()
"""

# Claims go from tenant to tenant, and take the oldest jobs of one: each step is one look into this index.
INDEX = """
DROP INDEX document_sync_jobs_ready;
CREATE INDEX document_sync_jobs_ready
    ON document_sync_jobs (target, is_large, tenant_id, scheduled_at, id) WHERE status = 'pending'
"""

ENQUEUE = """
CREATE OR REPLACE FUNCTION documents_enqueue() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed documents;
    wanted text := 'upsert';
    size integer := 0;
BEGIN
    IF TG_OP = 'DELETE' THEN
        changed := OLD;
        wanted := 'delete';
    ELSE
        changed := NEW;
        IF changed.is_deleted THEN
            wanted := 'delete';
            DELETE FROM chunks WHERE tenant_id = changed.tenant_id AND document_id = changed.id;
        ELSE
            size := octet_length(changed.content);
        END IF;
    END IF;
    INSERT INTO document_sync_jobs (tenant_id, document_id, action, content_bytes)
    VALUES (changed.tenant_id, changed.id, wanted, size)
    ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending'
    DO UPDATE SET action = excluded.action, scheduled_at = least(document_sync_jobs.scheduled_at, now()),
        attempts = 0, is_orphan = false, content_bytes = excluded.content_bytes;
    PERFORM pg_notify('kladez_jobs', '');
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION documents_enqueue_remote() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed documents;
    wanted text := 'upsert';
    size integer := 0;
BEGIN
    IF TG_OP = 'DELETE' THEN
        changed := OLD;
        wanted := 'delete';
    ELSE
        changed := NEW;
        IF changed.is_deleted THEN
            wanted := 'delete';
        ELSE
            size := octet_length(changed.content);
        END IF;
    END IF;
    INSERT INTO document_sync_jobs (tenant_id, document_id, action, target, content_bytes)
    SELECT changed.tenant_id, changed.id, wanted, 'openai', size
    WHERE EXISTS (SELECT FROM tenants t WHERE t.id = changed.tenant_id AND t.is_mirrored)
    ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending'
    DO UPDATE SET action = excluded.action, scheduled_at = least(document_sync_jobs.scheduled_at, now()),
        attempts = 0, is_orphan = false, content_bytes = excluded.content_bytes;
    RETURN NULL;
END $$
"""

# What was embedded of a large document before all of it is: found again by its text when a worker has died.
TABLE = """
CREATE TABLE embedding_steps (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    space_id integer NOT NULL REFERENCES embedding_spaces (id),
    text_hash bytea NOT NULL,
    embedding bytea NOT NULL,
    tokens real NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, document_id, space_id, text_hash),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX embedding_steps_by_age ON embedding_steps (created_at);
ALTER TABLE embedding_steps ENABLE ROW LEVEL SECURITY;
ALTER TABLE embedding_steps FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON embedding_steps TO kladez_tenant
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON embedding_steps TO kladez_tenant;
CREATE POLICY every_row ON embedding_steps TO kladez_operator USING (true);
GRANT SELECT (tenant_id, document_id, created_at), DELETE ON embedding_steps TO kladez_operator
"""

DOWN = """
DROP TABLE embedding_steps;
CREATE OR REPLACE FUNCTION documents_enqueue() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed documents;
    wanted text := 'upsert';
BEGIN
    IF TG_OP = 'DELETE' THEN
        changed := OLD;
        wanted := 'delete';
    ELSE
        changed := NEW;
        IF changed.is_deleted THEN
            wanted := 'delete';
            DELETE FROM chunks WHERE tenant_id = changed.tenant_id AND document_id = changed.id;
        END IF;
    END IF;
    INSERT INTO document_sync_jobs (tenant_id, document_id, action)
    VALUES (changed.tenant_id, changed.id, wanted)
    ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending'
    DO UPDATE SET action = excluded.action, scheduled_at = least(document_sync_jobs.scheduled_at, now()),
        attempts = 0, is_orphan = false;
    PERFORM pg_notify('kladez_jobs', '');
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION documents_enqueue_remote() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed documents;
    wanted text := 'upsert';
BEGIN
    IF TG_OP = 'DELETE' THEN
        changed := OLD;
        wanted := 'delete';
    ELSE
        changed := NEW;
        IF changed.is_deleted THEN
            wanted := 'delete';
        END IF;
    END IF;
    INSERT INTO document_sync_jobs (tenant_id, document_id, action, target)
    SELECT changed.tenant_id, changed.id, wanted, 'openai'
    WHERE EXISTS (SELECT FROM tenants t WHERE t.id = changed.tenant_id AND t.is_mirrored)
    ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending'
    DO UPDATE SET action = excluded.action, scheduled_at = least(document_sync_jobs.scheduled_at, now()),
        attempts = 0, is_orphan = false;
    RETURN NULL;
END $$;
DROP TRIGGER document_sync_jobs_measure ON document_sync_jobs;
DROP FUNCTION document_sync_jobs_measure();
DROP INDEX document_sync_jobs_ready;
CREATE INDEX document_sync_jobs_ready
    ON document_sync_jobs (tenant_id, scheduled_at, id) WHERE status = 'pending';
ALTER TABLE document_sync_jobs DROP COLUMN content_bytes, DROP COLUMN is_large
"""


def upgrade() -> None:
    for statements in (COLUMNS, MEASURE, INDEX, ENQUEUE, TABLE):
        op.execute(statements)


def downgrade() -> None:
    op.execute(DOWN)
