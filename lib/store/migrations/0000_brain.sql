CREATE TABLE brain_meta (
  key text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);
--> statement-breakpoint
CREATE TABLE brain_changes (
  seq bigint PRIMARY KEY CHECK (seq > 0),
  change_id text COLLATE "C" NOT NULL UNIQUE,
  entry_id text COLLATE "C" NOT NULL,
  workspace_id text COLLATE "C" NOT NULL,
  project_id text COLLATE "C" NOT NULL,
  base text COLLATE "C",
  hash text COLLATE "C" NOT NULL,
  replica_id text COLLATE "C" NOT NULL,
  updated_at bigint NOT NULL,
  received_at bigint NOT NULL,
  origin text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('applied', 'superseded', 'duplicate')),
  content text NOT NULL
);
--> statement-breakpoint
CREATE INDEX brain_changes_by_entry ON brain_changes (entry_id, updated_at, hash);
--> statement-breakpoint
CREATE INDEX brain_changes_by_scope ON brain_changes (workspace_id, project_id, seq);
--> statement-breakpoint
CREATE FUNCTION brain_changes_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'brain_changes is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;
--> statement-breakpoint
CREATE TRIGGER brain_changes_append_only BEFORE UPDATE OR DELETE ON brain_changes
  FOR EACH ROW EXECUTE FUNCTION brain_changes_refuse();
--> statement-breakpoint
CREATE TRIGGER brain_changes_keep BEFORE TRUNCATE ON brain_changes
  FOR EACH STATEMENT EXECUTE FUNCTION brain_changes_refuse();
--> statement-breakpoint
CREATE TABLE brain_entries (
  entry_id text COLLATE "C" PRIMARY KEY,
  workspace_id text COLLATE "C" NOT NULL,
  project_id text COLLATE "C" NOT NULL,
  agent text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('experiment', 'decision', 'insight', 'note')),
  title text NOT NULL,
  summary text NOT NULL,
  conclusion text NOT NULL,
  tags text[] NOT NULL,
  refs text[] NOT NULL,
  confidence double precision NOT NULL CHECK (confidence >= 0 AND confidence <= 1),
  status text NOT NULL CHECK (status IN ('active', 'superseded', 'retracted')),
  superseded_by text COLLATE "C",
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  hash text COLLATE "C" NOT NULL,
  search tsvector NOT NULL
);
--> statement-breakpoint
CREATE INDEX brain_entries_by_scope ON brain_entries (workspace_id, project_id, updated_at);
--> statement-breakpoint
CREATE INDEX brain_entries_by_time ON brain_entries (workspace_id, updated_at);
--> statement-breakpoint
-- The list of words not yet sorted in (1 MB) saves nine tenths of the WAL of a small record: 14 KB instead of 195.
CREATE INDEX brain_entries_by_words ON brain_entries USING gin (search)
  WITH (fastupdate = on, gin_pending_list_limit = 1024);
--> statement-breakpoint
-- The words of an entry. camelCase, snake_case, paths and dotted names are found whole and by part. PostgreSQL's parser
-- takes quadratic time over long runs such as `a_a_a_…` or `@A1@A1…`, and over `<!--` that nothing closes (64 KiB:
-- minutes), so `_` and `<` become spaces and no run is longer than 200 characters. recall/query-words.ts does the same.
CREATE FUNCTION brain_words(content text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT to_tsvector('pg_catalog.english', plain || ' '
    || translate(regexp_replace(plain, '([[:lower:][:digit:]])([[:upper:]])', '\1 \2', 'g'), './\:#@-', '       '))
  FROM (SELECT regexp_replace(translate(content, '_<', '  '), '\S{200}', '\& ', 'g') AS plain OFFSET 0) AS bounded
$$;
--> statement-breakpoint
CREATE FUNCTION brain_document(title text, tags text[], conclusion text, summary text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT setweight(brain_words(title), 'A') || setweight(brain_words(array_to_string(tags, ' ')), 'B')
    || setweight(brain_words(conclusion), 'B') || setweight(brain_words(summary), 'C')
$$;
--> statement-breakpoint
-- The entry rows that the log calls for: the greatest stamp of each entry. Rebuilding and verifying read it.
CREATE VIEW brain_entries_by_log AS
SELECT w.entry_id, w.workspace_id, w.project_id, c.agent, c.kind, c.title, c.summary, c.conclusion, c.tags, c.refs,
  c.confidence, c.status, c."supersededBy" COLLATE "C" AS superseded_by, c."createdAt" AS created_at, w.updated_at,
  w.hash, brain_document(c.title, c.tags, c.conclusion, c.summary) AS search
FROM (SELECT DISTINCT ON (entry_id) * FROM brain_changes ORDER BY entry_id, updated_at DESC, hash DESC) AS w
CROSS JOIN LATERAL jsonb_to_record(w.content::jsonb) AS c(agent text, kind text, title text, summary text,
  conclusion text, tags text[], refs text[], confidence double precision, status text, "supersededBy" text,
  "createdAt" bigint);
--> statement-breakpoint
-- Appends changes to the log in their order and merges each into brain_entries by the merge law: the greater
-- (updated_at, hash) wins. A change_id that the log has already is left alone and not returned. The newest local stamp
-- raises the clock's high-water mark. A function, because PostgreSQL keeps its plan: planning this statement takes longer
-- than running it. The plan is made once, often on empty tables, and must serve full ones: hence look-ups as scalar
-- subqueries, which cannot become a join over the whole table, and no sequential scans.
CREATE FUNCTION brain_append(changes jsonb) RETURNS TABLE (appended_id text, appended_outcome text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH incoming AS (
    SELECT DISTINCT ON (i.change_id) i.*, lpad(i.updated_at::text, 16, '0') || i.hash AS stamp
    FROM jsonb_to_recordset(changes) AS i(position integer, change_id text, entry_id text, workspace_id text,
      project_id text, base text, hash text, replica_id text, updated_at bigint, received_at bigint, origin text,
      content text)
    WHERE (SELECT known.seq FROM brain_changes known WHERE known.change_id = i.change_id) IS NULL
    ORDER BY i.change_id, i.position
  ), judged AS (
    SELECT i.*, greatest(
      (SELECT lpad(e.updated_at::text, 16, '0') || e.hash FROM brain_entries e WHERE e.entry_id = i.entry_id),
      max(i.stamp) OVER (PARTITION BY i.entry_id ORDER BY i.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) COLLATE "C" AS best_before
    FROM incoming i
  ), merged AS (
    INSERT INTO brain_entries AS e (entry_id, workspace_id, project_id, agent, kind, title, summary, conclusion, tags,
      refs, confidence, status, superseded_by, created_at, updated_at, hash, search)
    SELECT w.entry_id, w.workspace_id, w.project_id, c.agent, c.kind, c.title, c.summary, c.conclusion, c.tags, c.refs,
      c.confidence, c.status, c."supersededBy", c."createdAt", w.updated_at, w.hash,
      brain_document(c.title, c.tags, c.conclusion, c.summary)
    FROM (SELECT DISTINCT ON (entry_id) * FROM judged ORDER BY entry_id, stamp COLLATE "C" DESC) AS w
    CROSS JOIN LATERAL jsonb_to_record(w.content::jsonb) AS c(agent text, kind text, title text, summary text,
      conclusion text, tags text[], refs text[], confidence double precision, status text, "supersededBy" text,
      "createdAt" bigint)
    ON CONFLICT (entry_id) DO UPDATE SET
      workspace_id = excluded.workspace_id, project_id = excluded.project_id, agent = excluded.agent,
      kind = excluded.kind, title = excluded.title, summary = excluded.summary, conclusion = excluded.conclusion,
      tags = excluded.tags, refs = excluded.refs, confidence = excluded.confidence, status = excluded.status,
      superseded_by = excluded.superseded_by, created_at = excluded.created_at, updated_at = excluded.updated_at,
      hash = excluded.hash, search = excluded.search
    WHERE (e.updated_at, e.hash) < (excluded.updated_at, excluded.hash)
  ), clock AS (
    INSERT INTO brain_meta AS m (key, value)
    SELECT 'clock_high_ms', max(updated_at)::text FROM judged WHERE origin = 'local' HAVING count(*) > 0
    ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE m.value::bigint < excluded.value::bigint
  )
  INSERT INTO brain_changes AS l (seq, change_id, entry_id, workspace_id, project_id, base, hash, replica_id, updated_at,
    received_at, origin, outcome, content)
  SELECT (SELECT coalesce(max(seq), 0) FROM brain_changes) + row_number() OVER (ORDER BY position),
    change_id, entry_id, workspace_id, project_id, base, hash, replica_id, updated_at, received_at, origin,
    CASE WHEN best_before IS NULL OR stamp COLLATE "C" > best_before THEN 'applied'
         WHEN stamp COLLATE "C" = best_before THEN 'duplicate' ELSE 'superseded' END,
    content
  FROM judged
  RETURNING l.change_id, l.outcome;
END
$$;
