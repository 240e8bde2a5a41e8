"""Documents below documents, what each import did, and a similarity search for those who write SQL."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

# Nothing wrote parent_id before, and nothing kept it right. An owner who is no superuser sees rows only
# without FORCE.
PARENTS = """
ALTER TABLE documents NO FORCE ROW LEVEL SECURITY;
UPDATE documents d SET parent_id = NULL
WHERE parent_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM documents p WHERE p.tenant_id = d.tenant_id AND p.id = d.parent_id);
WITH RECURSIVE above AS (
    SELECT tenant_id, id, parent_id, 1 AS distance FROM documents WHERE parent_id IS NOT NULL
    UNION ALL
    SELECT above.tenant_id, above.id, p.parent_id, above.distance + 1
    FROM above JOIN documents p ON p.tenant_id = above.tenant_id AND p.id = above.parent_id
    WHERE p.parent_id IS NOT NULL AND above.parent_id <> above.id AND above.distance < 128
)
UPDATE documents d SET parent_id = NULL FROM above
WHERE d.tenant_id = above.tenant_id AND d.id = above.id AND above.parent_id = above.id;
ALTER TABLE documents FORCE ROW LEVEL SECURITY;
ALTER TABLE documents ADD CONSTRAINT documents_parent FOREIGN KEY (tenant_id, parent_id)
    REFERENCES documents (tenant_id, id) ON DELETE SET NULL (parent_id);
CREATE INDEX documents_by_parent ON documents (tenant_id, parent_id) WHERE parent_id IS NOT NULL
"""

# The name sorts behind documents_stamp, which gives a new version to a row that changed besides its parent.
# Moves of a tenant wait for each other: two of them at once could close a circle that neither sees.
MOVES = """
CREATE FUNCTION documents_tree() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    height integer;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.parent_id IS NOT DISTINCT FROM OLD.parent_id THEN
            RETURN NEW;
        END IF;
        IF NEW.version = OLD.version THEN
            IF NEW.content_hash IS NOT DISTINCT FROM OLD.content_hash THEN
                NEW.content_hash := NULL;
            END IF;
            NEW.version := OLD.version + 1;
            NEW.updated_at := now();
            NEW.sync_status := 'pending';
            NEW.last_sync_error := '';
        END IF;
    END IF;
    IF NEW.parent_id IS NULL THEN
        RETURN NEW;
    END IF;
    PERFORM pg_advisory_xact_lock(6172637, hashtext(NEW.tenant_id::text));
    WITH RECURSIVE above AS (
        SELECT NEW.parent_id AS id, 1 AS distance
        UNION ALL
        SELECT p.parent_id, above.distance + 1
        FROM above JOIN documents p ON p.tenant_id = NEW.tenant_id AND p.id = above.id
        WHERE p.parent_id IS NOT NULL AND above.id <> NEW.id AND above.distance < 128
    ),
    below AS (
        SELECT NEW.id, 0 AS distance
        UNION ALL
        SELECT c.id, below.distance + 1
        FROM below JOIN documents c ON c.tenant_id = NEW.tenant_id AND c.parent_id = below.id
        WHERE below.distance < 128
    )
    SELECT CASE WHEN EXISTS (SELECT FROM above WHERE above.id = NEW.id) THEN NULL
        ELSE (SELECT max(distance) FROM above) + (SELECT max(distance) FROM below) END INTO height;
    IF height IS NULL THEN
        RAISE check_violation USING MESSAGE = 'a document cannot stand below itself',
            CONSTRAINT = 'documents_no_circle';
    END IF;
    IF height > 64 THEN
        RAISE check_violation USING MESSAGE = 'a document stands at most 64 levels deep',
            CONSTRAINT = 'documents_depth';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER documents_tree BEFORE INSERT OR UPDATE OF parent_id ON documents
    FOR EACH ROW EXECUTE FUNCTION documents_tree()
"""

# A document's index holds the titles above it, so it is behind when one of them changes.
CASCADE = """
CREATE FUNCTION documents_cascade() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH RECURSIVE below AS (
        SELECT id, 1 AS distance FROM documents WHERE tenant_id = NEW.tenant_id AND parent_id = NEW.id
        UNION ALL
        SELECT c.id, below.distance + 1
        FROM below JOIN documents c ON c.tenant_id = NEW.tenant_id AND c.parent_id = below.id
        WHERE below.distance < 64
    ),
    affected AS MATERIALIZED (
        SELECT d.tenant_id, d.id FROM documents d
        WHERE d.tenant_id = NEW.tenant_id AND d.id IN (SELECT id FROM below) AND NOT d.is_deleted
        ORDER BY d.source_type, d.external_id FOR UPDATE
    ),
    marked AS (
        UPDATE documents d SET sync_status = 'pending' FROM affected a
        WHERE d.tenant_id = a.tenant_id AND d.id = a.id
    )
    INSERT INTO document_sync_jobs (tenant_id, document_id, action)
    SELECT tenant_id, id, 'upsert' FROM affected
    ON CONFLICT (tenant_id, document_id, target) WHERE status = 'pending'
    DO UPDATE SET scheduled_at = least(document_sync_jobs.scheduled_at, now()), attempts = 0, is_orphan = false;
    RETURN NULL;
END $$;
CREATE TRIGGER documents_cascade AFTER UPDATE ON documents
    FOR EACH ROW WHEN ((NEW.title, NEW.parent_id, NEW.is_deleted) IS DISTINCT FROM
                       (OLD.title, OLD.parent_id, OLD.is_deleted))
    EXECUTE FUNCTION documents_cascade()
"""

# `previous` is NULL for a document that the import made; `version` is the one that the import left.
ITEMS = """
CREATE TABLE import_items (
    tenant_id uuid NOT NULL,
    import_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version bigint NOT NULL,
    previous jsonb,
    PRIMARY KEY (tenant_id, import_id, document_id),
    FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX import_items_by_document ON import_items (tenant_id, document_id);
ALTER TABLE import_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE import_items FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON import_items TO kladez_tenant
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON import_items TO kladez_tenant
"""

# Vectors lie in a table for each space; a tenant's active one is named in its row.
MATCH = """
CREATE FUNCTION match_documents(query_embedding vector, match_threshold double precision, match_count integer)
RETURNS TABLE (id uuid, document_id uuid, content text, metadata jsonb, similarity double precision)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    own uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    space integer;
BEGIN
    IF own IS NULL THEN
        RAISE EXCEPTION 'app.tenant_id is not set'
            USING HINT = 'SELECT set_config(''app.tenant_id'', ''<the tenant''''s id>'', true)';
    END IF;
    SELECT t.space_id INTO space FROM tenants t WHERE t.id = own AND t.deleted_at IS NULL;
    IF space IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT c.id, c.document_id, c.text, d.metadata, 1 - (v.embedding <=> $1)
         FROM %I v
         JOIN chunks c ON c.tenant_id = v.tenant_id AND c.id = v.chunk_id
         JOIN documents d ON d.tenant_id = c.tenant_id AND d.id = c.document_id AND NOT d.is_deleted
         WHERE v.tenant_id = $2 AND 1 - (v.embedding <=> $1) > $3
         ORDER BY v.embedding <=> $1 LIMIT $4', 'chunk_vectors_' || space)
    USING query_embedding::halfvec, own, match_threshold, greatest(match_count, 0);
END $$;
REVOKE ALL ON FUNCTION match_documents(vector, double precision, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION match_documents(vector, double precision, integer) TO kladez_tenant
"""

DOWN = """
DROP FUNCTION match_documents(vector, double precision, integer);
DROP TABLE import_items;
DROP TRIGGER documents_cascade ON documents;
DROP TRIGGER documents_tree ON documents;
DROP FUNCTION documents_cascade();
DROP FUNCTION documents_tree();
DROP INDEX documents_by_parent;
ALTER TABLE documents DROP CONSTRAINT documents_parent
"""


def upgrade() -> None:
    for statements in (PARENTS, MOVES, CASCADE, ITEMS, MATCH):
        op.execute(statements)


def downgrade() -> None:
    op.execute(DOWN)
