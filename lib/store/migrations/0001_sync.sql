-- The words of an entry, as before, but text without compound words is not gone through twice.
CREATE OR REPLACE FUNCTION brain_words(content text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN plain ~ '[[:lower:][:digit:]][[:upper:]]|[./\\:#@-]\S'
    THEN to_tsvector('pg_catalog.english', plain || ' '
      || translate(regexp_replace(plain, '([[:lower:][:digit:]])([[:upper:]])', '\1 \2', 'g'), './\:#@-', '       '))
    ELSE to_tsvector('pg_catalog.english', plain) END
  FROM (SELECT regexp_replace(translate(content, '_<', '  '), '\S{200}', '\& ', 'g') AS plain OFFSET 0) AS bounded
$$;
--> statement-breakpoint
UPDATE brain_entries SET search = brain_document(title, tags, conclusion, summary);
--> statement-breakpoint
-- Hashes of versions, besides `base`, that a version is known to have replaced; and the change that it withdraws.
ALTER TABLE brain_changes
  ADD COLUMN replaces text[] COLLATE "C" NOT NULL DEFAULT '{}',
  ADD COLUMN withdraws text COLLATE "C";
--> statement-breakpoint
CREATE UNIQUE INDEX brain_changes_withdrawn ON brain_changes (withdraws) WHERE withdraws IS NOT NULL;
--> statement-breakpoint
CREATE INDEX brain_changes_edits ON brain_changes (workspace_id, entry_id) WHERE base IS NOT NULL;
--> statement-breakpoint
-- How far this brain and a server have come with each other. One row per address and workspace.
CREATE TABLE brain_sync_meta (
  endpoint text COLLATE "C" NOT NULL,
  workspace_id text COLLATE "C" NOT NULL,
  epoch text COLLATE "C",
  protocol integer CHECK (protocol IN (1, 2)),
  pushed_seq bigint NOT NULL DEFAULT 0,
  chain text COLLATE "C" NOT NULL DEFAULT '',
  scanned_seq bigint NOT NULL DEFAULT 0,
  clock_offset_ms bigint,
  last_push_at bigint,
  last_pull_at bigint,
  last_error text,
  PRIMARY KEY (endpoint, workspace_id)
);
--> statement-breakpoint
-- Where the next pull begins. `project_id` is '' with protocol 2, which pulls a whole workspace at once.
CREATE TABLE brain_sync_cursors (
  endpoint text COLLATE "C" NOT NULL,
  workspace_id text COLLATE "C" NOT NULL,
  project_id text COLLATE "C" NOT NULL,
  cursor bigint NOT NULL,
  PRIMARY KEY (endpoint, workspace_id, project_id)
);
--> statement-breakpoint
-- Changes that could not be pushed or taken, each with its reason. They hold nothing up.
CREATE TABLE brain_sync_refusals (
  endpoint text COLLATE "C" NOT NULL,
  workspace_id text COLLATE "C" NOT NULL,
  direction text NOT NULL CHECK (direction IN ('push', 'pull')),
  change_id text COLLATE "C" NOT NULL,
  entry_id text COLLATE "C",
  seq bigint,
  code text NOT NULL,
  message text NOT NULL,
  refused_at bigint NOT NULL,
  PRIMARY KEY (endpoint, workspace_id, direction, change_id)
);
--> statement-breakpoint
DROP VIEW brain_entries_by_log;
--> statement-breakpoint
-- The entry rows that the log calls for: the greatest stamp of each entry that was not withdrawn.
CREATE VIEW brain_entries_by_log AS
SELECT w.entry_id, w.workspace_id, w.project_id, c.agent, c.kind, c.title, c.summary, c.conclusion, c.tags, c.refs,
  c.confidence, c.status, c."supersededBy" COLLATE "C" AS superseded_by, c."createdAt" AS created_at, w.updated_at,
  w.hash, brain_document(c.title, c.tags, c.conclusion, c.summary) AS search
FROM (
  SELECT DISTINCT ON (entry_id) * FROM brain_changes v
  WHERE NOT EXISTS (SELECT FROM brain_changes r WHERE r.withdraws = v.change_id)
  ORDER BY entry_id, updated_at DESC, hash DESC
) AS w
CROSS JOIN LATERAL jsonb_to_record(w.content::jsonb) AS c(agent text, kind text, title text, summary text,
  conclusion text, tags text[], refs text[], confidence double precision, status text, "supersededBy" text,
  "createdAt" bigint);
--> statement-breakpoint
-- Whether a version names another as replaced: as the one it was written on, or in `replaces`, whose items are a content
-- hash, or `<hash>@<time>`. Only what is older than the version, or than that time, is named: the same content may come
-- back later under the same hash.
CREATE FUNCTION brain_names_version(base text, replaces text[], updated_at bigint, other_hash text, other_updated_at bigint)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(other_updated_at < updated_at AND (other_hash = base OR other_hash = ANY (replaces)), false)
    OR (replaces <> '{}' AND EXISTS (
      SELECT FROM unnest(replaces) AS item
      WHERE left(item, 65) = other_hash || '@' AND substr(item, 66)::bigint > other_updated_at))
$$;
--> statement-breakpoint
-- The versions that lost to one which was not written on top of them, and that nobody has resolved. A version without a
-- base is a first one, or its ancestry is unknown: neither is a conflict.
CREATE VIEW brain_conflicts AS
SELECT c.seq, c.entry_id, c.workspace_id, c.project_id
FROM brain_changes c JOIN brain_entries e ON e.entry_id = c.entry_id
WHERE c.base IS NOT NULL AND (c.updated_at, c.hash) < (e.updated_at, e.hash) AND c.outcome <> 'duplicate'
  AND NOT EXISTS (SELECT FROM brain_changes r WHERE r.withdraws = c.change_id)
  AND NOT EXISTS (
    SELECT FROM brain_changes x
    WHERE x.entry_id = c.entry_id AND brain_names_version(x.base, x.replaces, x.updated_at, c.hash, c.updated_at)
      AND NOT EXISTS (SELECT FROM brain_changes r WHERE r.withdraws = x.change_id));
--> statement-breakpoint
-- All that a sync begins with, in one statement whose plan is kept: positions, and what is to be pushed.
CREATE FUNCTION brain_sync_state(p_endpoint text, p_workspace text) RETURNS jsonb
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
  m brain_sync_meta;
  v_head bigint;
  v_pending bigint := 0;
  v_since bigint;
BEGIN
  SELECT * INTO m FROM brain_sync_meta WHERE endpoint = p_endpoint AND workspace_id = p_workspace;
  SELECT max(seq) INTO v_head FROM brain_changes;
  IF coalesce(m.scanned_seq, 0) < coalesce(v_head, 0) THEN
    SELECT count(*), min(c.received_at) INTO v_pending, v_since FROM brain_changes c
    WHERE c.seq > coalesce(m.scanned_seq, 0) AND c.workspace_id = p_workspace AND c.origin <> p_endpoint
      AND (SELECT r.seq FROM brain_changes r WHERE r.withdraws = c.change_id) IS NULL;
  END IF;
  RETURN jsonb_build_object('epoch', m.epoch, 'protocol', m.protocol, 'pushedSeq', coalesce(m.pushed_seq, 0),
    'chain', coalesce(m.chain, ''), 'scannedSeq', coalesce(m.scanned_seq, 0), 'clockOffsetMs', m.clock_offset_ms,
    'lastPushAt', m.last_push_at, 'lastPullAt', m.last_pull_at, 'lastError', m.last_error::jsonb,
    'headSeq', coalesce(v_head, 0), 'outgoing', v_pending, 'pendingSince', v_since,
    'cursors', (SELECT coalesce(jsonb_object_agg(project_id, cursor), '{}') FROM brain_sync_cursors
      WHERE endpoint = p_endpoint AND workspace_id = p_workspace),
    'ahead', (SELECT coalesce(jsonb_agg(jsonb_build_object('changeId', a.change_id, 'seq', a.seq) ORDER BY a.seq), '[]')
      FROM (SELECT change_id, seq FROM brain_sync_refusals WHERE endpoint = p_endpoint AND workspace_id = p_workspace
        AND direction = 'push' AND code = 'clock_ahead' AND seq IS NOT NULL ORDER BY seq LIMIT 1000) AS a));
END
$$;
--> statement-breakpoint
-- After a page was appended, in the same transaction: its cursor, if it is of the history that is known; and what was
-- appended need not be looked through for changes to push, if everything before it has been.
CREATE FUNCTION brain_sync_applied(p_endpoint text, p_workspace text, p_head_before bigint, p_project text,
  p_cursor bigint, p_epoch text) RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  INSERT INTO brain_sync_meta AS m (endpoint, workspace_id, scanned_seq)
  VALUES (p_endpoint, p_workspace,
    CASE WHEN p_head_before = 0 THEN (SELECT coalesce(max(seq), 0) FROM brain_changes) ELSE 0 END)
  ON CONFLICT (endpoint, workspace_id) DO UPDATE SET scanned_seq = CASE WHEN m.scanned_seq = p_head_before
    THEN (SELECT coalesce(max(seq), 0) FROM brain_changes) ELSE m.scanned_seq END;
  INSERT INTO brain_sync_cursors AS c (endpoint, workspace_id, project_id, cursor)
  SELECT p_endpoint, p_workspace, p_project, p_cursor FROM brain_sync_meta m
  WHERE m.endpoint = p_endpoint AND m.workspace_id = p_workspace AND p_cursor IS NOT NULL
    AND (p_epoch IS NULL OR m.epoch IS NULL OR m.epoch = p_epoch)
  ON CONFLICT (endpoint, workspace_id, project_id) DO UPDATE SET cursor = greatest(c.cursor, excluded.cursor);
  UPDATE brain_sync_meta SET epoch = p_epoch
  WHERE endpoint = p_endpoint AND workspace_id = p_workspace AND epoch IS NULL AND p_epoch IS NOT NULL;
END
$$;
--> statement-breakpoint
DROP FUNCTION brain_append(jsonb);
--> statement-breakpoint
-- Appends changes to the log in their order and merges each into brain_entries by the merge law: the greater
-- (updated_at, hash) wins. A change that the log has already, by its id or (from a server) as the very same version, is
-- left alone and not returned. The newest local stamp raises the clock's high-water mark. A function, because PostgreSQL
-- keeps its plan: planning this statement takes longer than running it. The plan is made once, often on empty tables,
-- and must serve full ones: hence look-ups as scalar subqueries, which cannot become a join over the whole table, and no
-- sequential scans.
CREATE FUNCTION brain_append(changes jsonb) RETURNS TABLE (appended_id text, appended_outcome text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH incoming AS (
    SELECT DISTINCT ON (i.change_id) i.*, lpad(i.updated_at::text, 16, '0') || i.hash AS stamp
    FROM jsonb_to_recordset(changes) AS i(position integer, change_id text, entry_id text, workspace_id text,
      project_id text, base text, hash text, replica_id text, updated_at bigint, received_at bigint, origin text,
      content text, replaces text[], withdraws text)
    WHERE (SELECT known.seq FROM brain_changes known WHERE known.change_id = i.change_id) IS NULL
      AND (i.origin NOT LIKE 'http%' OR cardinality(i.replaces) > 0 OR (
        SELECT known.seq FROM brain_changes known
        WHERE known.entry_id = i.entry_id AND known.updated_at = i.updated_at AND known.hash = i.hash
          AND (SELECT r.seq FROM brain_changes r WHERE r.withdraws = known.change_id) IS NULL
        LIMIT 1) IS NULL)
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
    received_at, origin, outcome, content, replaces, withdraws)
  SELECT (SELECT coalesce(max(seq), 0) FROM brain_changes) + row_number() OVER (ORDER BY position),
    change_id, entry_id, workspace_id, project_id, base, hash, replica_id, updated_at, received_at, origin,
    CASE WHEN best_before IS NULL OR stamp COLLATE "C" > best_before THEN 'applied'
         WHEN stamp COLLATE "C" = best_before THEN 'duplicate' ELSE 'superseded' END,
    content, replaces, withdraws
  FROM judged
  RETURNING l.change_id, l.outcome;
END
$$;
