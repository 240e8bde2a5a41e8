"""Documents kept a second time at a retrieval provider, what was done for that, and who serves searches."""

from __future__ import annotations

from alembic import op

from retrieval_service.migrations.rows import seen

revision = "0005"
down_revision = "0004"

# `backend` "default" follows the installation's setting. Triggers cannot see that, so whoever resolves it writes
# `is_mirrored`: whether changes of the tenant's documents are queued for the provider.
TENANTS = """
ALTER TABLE tenants
    ADD COLUMN backend text NOT NULL DEFAULT 'default' CHECK (backend IN ('default', 'pgvector', 'openai')),
    ADD COLUMN shadow_share real NOT NULL DEFAULT 0 CHECK (shadow_share BETWEEN 0 AND 1),
    ADD COLUMN is_mirrored boolean NOT NULL DEFAULT false
"""

# `remote_status` is '' for a document that the provider is not to hold, or holds at a version that is past.
# `is_remote_unsettled` is set before a file is sent and cleared when its end is written down: in between a worker
# may die, and the file with it be known to nobody but the provider.
DOCUMENTS = """
ALTER TABLE documents
    ADD COLUMN openai_primary_file_id text NOT NULL DEFAULT '',
    ADD COLUMN remote_status text NOT NULL DEFAULT ''
        CHECK (remote_status IN ('', 'pending', 'synced', 'error')),
    ADD COLUMN remote_error text NOT NULL DEFAULT '',
    ADD COLUMN remote_synced_at timestamptz,
    ADD COLUMN is_remote_unsettled boolean NOT NULL DEFAULT false;
CREATE INDEX documents_awaiting_remote ON documents (tenant_id, created_at)
    WHERE remote_status = 'pending' AND NOT is_deleted
"""

# Why another one answered than was to, in words for people.
ANSWERS = "ALTER TABLE chat_logs ADD COLUMN degraded_reason text NOT NULL DEFAULT ''"

# A file outlives its document's row: it has to be found when that is gone. A leftover must go from the provider.
TABLES = """
CREATE TABLE vector_stores (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id),
    store_id text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE document_files (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    file_id text NOT NULL,
    document_id uuid NOT NULL,
    store_id text NOT NULL,
    role text NOT NULL DEFAULT 'primary' CHECK (role IN ('primary', 'leftover')),
    version bigint NOT NULL,
    content_digest text NOT NULL,
    attributes_digest text NOT NULL,
    byte_count bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, file_id)
);
CREATE UNIQUE INDEX document_files_primary ON document_files (tenant_id, document_id) WHERE role = 'primary';
CREATE INDEX document_files_by_document ON document_files (tenant_id, document_id);
CREATE INDEX document_files_leftovers ON document_files (tenant_id) WHERE role = 'leftover';

CREATE TABLE sync_log (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    id bigint GENERATED ALWAYS AS IDENTITY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    store_id text NOT NULL DEFAULT '',
    document_ids uuid[] NOT NULL DEFAULT '{}',
    file_ids text[] NOT NULL DEFAULT '{}',
    byte_count bigint NOT NULL DEFAULT 0,
    duration_ms integer NOT NULL DEFAULT 0,
    outcome text NOT NULL CHECK (outcome IN ('done', 'failed')),
    error text NOT NULL DEFAULT '',
    request_id text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX sync_log_by_age ON sync_log (happened_at);

CREATE TABLE backend_comparisons (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    id bigint GENERATED ALWAYS AS IDENTITY,
    compared_at timestamptz NOT NULL DEFAULT now(),
    query text NOT NULL,
    served_by text NOT NULL CHECK (served_by IN ('pgvector', 'openai')),
    pgvector_count integer NOT NULL,
    openai_count integer NOT NULL,
    overlap real,
    pgvector_ms real NOT NULL,
    openai_ms real NOT NULL,
    cost_usd numeric(12, 6) NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX backend_comparisons_by_age ON backend_comparisons (compared_at)
"""

SECURITY = """
DO $$
DECLARE
    table_name text;
    own text := 'tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid';
BEGIN
    FOREACH table_name IN ARRAY ARRAY['vector_stores', 'document_files', 'sync_log', 'backend_comparisons'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
        EXECUTE format('CREATE POLICY own_rows ON %I TO kladez_tenant USING (%s) WITH CHECK (%s)',
                       table_name, own, own);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO kladez_tenant', table_name);
    END LOOP;
    FOREACH table_name IN ARRAY ARRAY['sync_log', 'backend_comparisons'] LOOP
        EXECUTE format('CREATE POLICY every_row ON %I TO kladez_operator USING (true)', table_name);
        EXECUTE format('GRANT SELECT, DELETE ON %I TO kladez_operator', table_name);
    END LOOP;
    FOREACH table_name IN ARRAY ARRAY['vector_stores', 'document_files'] LOOP
        EXECUTE format('CREATE POLICY every_row ON %I FOR SELECT TO kladez_operator USING (true)', table_name);
        EXECUTE format('GRANT SELECT ON %I TO kladez_operator', table_name);
    END LOOP;
END $$
"""

# The names sort behind the triggers that give a changed row its new version.
QUEUE = """
CREATE FUNCTION documents_stamp_remote() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM tenants t WHERE t.id = NEW.tenant_id AND t.is_mirrored) THEN
        NEW.remote_status := 'pending';
        NEW.remote_error := '';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER documents_zz_stamp_remote_insert BEFORE INSERT ON documents
    FOR EACH ROW EXECUTE FUNCTION documents_stamp_remote();
CREATE FUNCTION documents_stamp_remote_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version > OLD.version THEN
        NEW.remote_status := CASE
            WHEN EXISTS (SELECT FROM tenants t WHERE t.id = NEW.tenant_id AND t.is_mirrored) THEN 'pending'
            ELSE '' END;
        NEW.remote_error := '';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER documents_zz_stamp_remote_update BEFORE UPDATE ON documents
    FOR EACH ROW EXECUTE FUNCTION documents_stamp_remote_change();

CREATE FUNCTION documents_enqueue_remote() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER documents_enqueue_remote_insert AFTER INSERT ON documents
    FOR EACH ROW EXECUTE FUNCTION documents_enqueue_remote();
CREATE TRIGGER documents_enqueue_remote_update AFTER UPDATE ON documents
    FOR EACH ROW WHEN (NEW.version > OLD.version) EXECUTE FUNCTION documents_enqueue_remote();
CREATE TRIGGER documents_enqueue_remote_delete AFTER DELETE ON documents
    FOR EACH ROW EXECUTE FUNCTION documents_enqueue_remote()
"""

# A document's remote title holds the titles above it. The name sorts behind documents_cascade, which has locked
# the same documents.
CASCADE = """
CREATE FUNCTION documents_cascade_remote() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mirrored boolean;
BEGIN
    SELECT t.is_mirrored INTO mirrored FROM tenants t WHERE t.id = NEW.tenant_id;
    WITH RECURSIVE below AS (
        SELECT id, 1 AS distance FROM documents WHERE tenant_id = NEW.tenant_id AND parent_id = NEW.id
        UNION ALL
        SELECT c.id, below.distance + 1
        FROM below JOIN documents c ON c.tenant_id = NEW.tenant_id AND c.parent_id = below.id
        WHERE below.distance < 64
    ),
    marked AS (
        UPDATE documents d SET remote_status = CASE WHEN mirrored THEN 'pending' ELSE '' END
        WHERE d.tenant_id = NEW.tenant_id AND d.id IN (SELECT id FROM below) AND NOT d.is_deleted
            AND (mirrored OR d.remote_status <> '')
        RETURNING d.tenant_id, d.id
    )
    INSERT INTO document_sync_jobs (tenant_id, document_id, action, target)
    SELECT tenant_id, id, 'upsert', 'openai' FROM marked WHERE mirrored
    ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending'
    DO UPDATE SET scheduled_at = least(document_sync_jobs.scheduled_at, now()), attempts = 0, is_orphan = false;
    RETURN NULL;
END $$;
CREATE TRIGGER documents_cascade_remote AFTER UPDATE ON documents
    FOR EACH ROW WHEN ((NEW.title, NEW.parent_id, NEW.is_deleted) IS DISTINCT FROM
                       (OLD.title, OLD.parent_id, OLD.is_deleted))
    EXECUTE FUNCTION documents_cascade_remote()
"""

FORGET_JOBS = "DELETE FROM document_sync_jobs WHERE target = 'openai'"
DOWN = """
DROP TRIGGER documents_cascade_remote ON documents;
DROP FUNCTION documents_cascade_remote();
DROP TRIGGER documents_enqueue_remote_delete ON documents;
DROP TRIGGER documents_enqueue_remote_update ON documents;
DROP TRIGGER documents_enqueue_remote_insert ON documents;
DROP FUNCTION documents_enqueue_remote();
DROP TRIGGER documents_zz_stamp_remote_update ON documents;
DROP TRIGGER documents_zz_stamp_remote_insert ON documents;
DROP FUNCTION documents_stamp_remote_change();
DROP FUNCTION documents_stamp_remote();
DROP TABLE backend_comparisons, sync_log, document_files, vector_stores;
ALTER TABLE documents DROP COLUMN openai_primary_file_id, DROP COLUMN remote_status, DROP COLUMN remote_error,
    DROP COLUMN remote_synced_at, DROP COLUMN is_remote_unsettled;
ALTER TABLE chat_logs DROP COLUMN degraded_reason;
ALTER TABLE tenants DROP COLUMN backend, DROP COLUMN shadow_share, DROP COLUMN is_mirrored
"""


def upgrade() -> None:
    for statements in (TENANTS, DOCUMENTS, ANSWERS, TABLES, SECURITY, QUEUE, CASCADE):
        op.execute(statements)


def downgrade() -> None:
    with seen("document_sync_jobs"):
        op.execute(FORGET_JOBS)
    op.execute(DOWN)
