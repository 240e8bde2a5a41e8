"""Tenants, keys, documents, chunks, the queue, chats and usage, closed by row-level security."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

EXTENSION = "CREATE EXTENSION IF NOT EXISTS vector"

# Roles belong to the whole cluster: another database of it may have made them already, or somebody who may.
ROLES = """
DO $$
DECLARE role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['kladez_tenant', 'kladez_operator'] LOOP
        BEGIN
            IF to_regrole(role_name) IS NULL THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
        IF NOT pg_has_role(CURRENT_USER, role_name, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role_name);
    END LOOP;
END $$
"""

# Under row-level security an operator uses an index only when it is known not to leak its arguments.
# Only a superuser may say so; without it big tenants search words slowly, which `kladez doctor` reports.
LEAKPROOF = """
DO $$
BEGIN
    ALTER FUNCTION pg_catalog.arrayoverlap(anyarray, anyarray) LEAKPROOF;
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $$
"""

TABLES = """
CREATE TABLE embedding_spaces (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    provider text NOT NULL,
    model text NOT NULL,
    revision text NOT NULL,
    dimensions integer NOT NULL CHECK (dimensions BETWEEN 1 AND 4000),
    max_tokens integer NOT NULL,
    languages text[] NOT NULL,
    scripts text[] NOT NULL,
    query_prefix text NOT NULL,
    passage_prefix text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tenants (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    public_key uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    name text NOT NULL,
    settings jsonb NOT NULL DEFAULT '{}',
    space_id integer REFERENCES embedding_spaces (id),
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid REFERENCES tenants (id),
    secret_hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    display_name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE TABLE documents (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    source_type text NOT NULL,
    external_id text NOT NULL,
    parent_id uuid,
    title text NOT NULL DEFAULT '',
    section text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    content text NOT NULL,
    content_type text NOT NULL DEFAULT 'text/plain',
    language text NOT NULL DEFAULT '',
    url text NOT NULL DEFAULT '',
    metadata jsonb NOT NULL DEFAULT '{}',
    content_hash bytea,
    version bigint NOT NULL DEFAULT 1,
    sync_status text NOT NULL DEFAULT 'pending' CHECK (sync_status IN ('pending', 'synced', 'error')),
    last_sync_at timestamptz,
    last_sync_error text NOT NULL DEFAULT '',
    is_deleted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, source_type, external_id)
);
CREATE INDEX documents_by_age ON documents (tenant_id, created_at, id);

CREATE TABLE chunks (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    document_id uuid NOT NULL,
    chunk_index integer NOT NULL,
    text text NOT NULL,
    heading text NOT NULL DEFAULT '',
    start_offset integer NOT NULL,
    end_offset integer NOT NULL,
    chunk_hash bytea NOT NULL,
    language text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX chunks_by_document ON chunks (tenant_id, document_id, chunk_index);

CREATE TABLE chunk_terms (
    tenant_id uuid NOT NULL,
    chunk_id uuid NOT NULL,
    language text NOT NULL,
    stem_ids integer[] NOT NULL,
    stems sparsevec(1000000000) NOT NULL,
    grams sparsevec(1000000000) NOT NULL,
    PRIMARY KEY (tenant_id, chunk_id),
    FOREIGN KEY (tenant_id, chunk_id) REFERENCES chunks (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE chunk_terms
    ALTER COLUMN stems SET STORAGE MAIN, ALTER COLUMN grams SET STORAGE EXTERNAL;
CREATE INDEX chunk_terms_by_stem ON chunk_terms USING gin (stem_ids);

CREATE TABLE document_sync_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    action text NOT NULL CHECK (action IN ('upsert', 'delete')),
    target text NOT NULL DEFAULT 'pgvector' CHECK (target IN ('pgvector', 'openai')),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'done', 'error')),
    attempts smallint NOT NULL DEFAULT 0,
    is_orphan boolean NOT NULL DEFAULT false,
    scheduled_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz,
    worker text,
    last_error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX document_sync_jobs_pending
    ON document_sync_jobs (tenant_id, document_id, target) WHERE status = 'pending';
CREATE UNIQUE INDEX document_sync_jobs_processing
    ON document_sync_jobs (tenant_id, document_id, target) WHERE status = 'processing';
CREATE INDEX document_sync_jobs_ready
    ON document_sync_jobs (tenant_id, scheduled_at, id) WHERE status = 'pending';
CREATE INDEX document_sync_jobs_leases ON document_sync_jobs (lease_until) WHERE status = 'processing';
CREATE INDEX document_sync_jobs_finished ON document_sync_jobs (finished_at) WHERE status = 'done';

CREATE TABLE imports (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    id uuid NOT NULL,
    next_sequence bigint NOT NULL DEFAULT 0,
    created_count bigint NOT NULL DEFAULT 0,
    updated_count bigint NOT NULL DEFAULT 0,
    unchanged_count bigint NOT NULL DEFAULT 0,
    failed_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE chat_sessions (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    channel text NOT NULL,
    user_key text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE chat_logs (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    id uuid NOT NULL,
    session_id uuid,
    request_id uuid,
    question text NOT NULL,
    answer text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT '',
    context jsonb NOT NULL DEFAULT '[]',
    citations jsonb NOT NULL DEFAULT '[]',
    status text NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'completed', 'cancelled', 'interrupted')),
    finish_reason text NOT NULL DEFAULT '',
    answerer text NOT NULL DEFAULT '',
    input_tokens integer NOT NULL DEFAULT 0,
    output_tokens integer NOT NULL DEFAULT 0,
    first_token_ms integer,
    latency_ms integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, request_id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES chat_sessions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX chat_logs_by_session ON chat_logs (tenant_id, session_id, created_at);

CREATE TABLE usage_daily (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    day date NOT NULL,
    embedded_chunks bigint NOT NULL DEFAULT 0,
    embedded_tokens bigint NOT NULL DEFAULT 0,
    unchanged_chunks bigint NOT NULL DEFAULT 0,
    searches bigint NOT NULL DEFAULT 0,
    answers bigint NOT NULL DEFAULT 0,
    unanswered bigint NOT NULL DEFAULT 0,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, day)
)
"""

# A change made by any program, also by plain SQL, gets a new version, loses a stale hash and is queued.
TRIGGERS = """
CREATE FUNCTION documents_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.title, NEW.section, NEW.tags, NEW.content, NEW.content_type, NEW.language, NEW.url, NEW.metadata,
        NEW.is_deleted)
       IS NOT DISTINCT FROM
       (OLD.title, OLD.section, OLD.tags, OLD.content, OLD.content_type, OLD.language, OLD.url, OLD.metadata,
        OLD.is_deleted)
    THEN
        RETURN NEW;
    END IF;
    IF NEW.content_hash IS NOT DISTINCT FROM OLD.content_hash THEN
        NEW.content_hash := NULL;
    END IF;
    NEW.version := OLD.version + 1;
    NEW.updated_at := now();
    NEW.sync_status := 'pending';
    NEW.last_sync_error := '';
    RETURN NEW;
END $$;
CREATE TRIGGER documents_stamp BEFORE UPDATE ON documents
    FOR EACH ROW EXECUTE FUNCTION documents_stamp();

CREATE FUNCTION documents_enqueue() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER documents_enqueue_insert AFTER INSERT ON documents
    FOR EACH ROW EXECUTE FUNCTION documents_enqueue();
CREATE TRIGGER documents_enqueue_update AFTER UPDATE ON documents
    FOR EACH ROW WHEN (NEW.version > OLD.version) EXECUTE FUNCTION documents_enqueue();
CREATE TRIGGER documents_enqueue_delete AFTER DELETE ON documents
    FOR EACH ROW EXECUTE FUNCTION documents_enqueue()
"""

# The operator's role reaches tenants, keys and jobs, never a document's text.
SECURITY = """
DO $$
DECLARE
    table_name text;
    own text := 'tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid';
BEGIN
    FOREACH table_name IN ARRAY ARRAY['documents', 'chunks', 'chunk_terms', 'document_sync_jobs', 'imports',
                                      'chat_sessions', 'chat_logs', 'usage_daily'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
        EXECUTE format('CREATE POLICY own_rows ON %I TO kladez_tenant USING (%s) WITH CHECK (%s)',
                       table_name, own, own);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO kladez_tenant', table_name);
    END LOOP;
    FOREACH table_name IN ARRAY ARRAY['tenants', 'api_keys'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
        EXECUTE format('CREATE POLICY every_row ON %I TO kladez_operator USING (true)', table_name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO kladez_operator', table_name);
    END LOOP;
END $$;
CREATE POLICY own_row ON tenants FOR SELECT TO kladez_tenant
    USING (id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT ON tenants TO kladez_tenant;
CREATE POLICY every_job ON document_sync_jobs TO kladez_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON document_sync_jobs TO kladez_operator;
GRANT SELECT ON embedding_spaces TO kladez_tenant, kladez_operator;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC
"""

DOWN = """
DO $$
DECLARE vectors text;
BEGIN
    FOR vectors IN SELECT format('chunk_vectors_%s', id) FROM embedding_spaces LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', vectors);
    END LOOP;
END $$;
DROP TABLE usage_daily, chat_logs, chat_sessions, imports, document_sync_jobs, chunk_terms, chunks, documents,
    api_keys, tenants, embedding_spaces;
DROP FUNCTION documents_enqueue();
DROP FUNCTION documents_stamp();
REVOKE USAGE ON SCHEMA public FROM kladez_tenant, kladez_operator
"""


def upgrade() -> None:
    for statements in (EXTENSION, ROLES, LEAKPROOF, TABLES, TRIGGERS, SECURITY):
        op.execute(statements)


def downgrade() -> None:
    op.execute(DOWN)
