-- What recall reads: postings in place of tsvector. The terms of an entry are made by lib/recall/words.ts, and so is all
-- that is in these tables; here is only what keeps them true in the transaction that writes the entries.
DROP INDEX brain_entries_by_words;
--> statement-breakpoint
DROP VIEW brain_entries_by_log;
--> statement-breakpoint
ALTER TABLE brain_entries DROP COLUMN search;
--> statement-breakpoint
DROP FUNCTION brain_document(text, text[], text, text);
--> statement-breakpoint
DROP FUNCTION brain_words(text);
--> statement-breakpoint
-- The entry rows that the log calls for: the greatest stamp of each entry that was not withdrawn.
CREATE VIEW brain_entries_by_log AS
SELECT w.entry_id, w.workspace_id, w.project_id, c.agent, c.kind, c.title, c.summary, c.conclusion, c.tags, c.refs,
  c.confidence, c.status, c."supersededBy" COLLATE "C" AS superseded_by, c."createdAt" AS created_at, w.updated_at,
  w.hash
FROM (
  SELECT DISTINCT ON (entry_id) * FROM brain_changes v
  WHERE NOT EXISTS (SELECT FROM brain_changes r WHERE r.withdraws = v.change_id)
  ORDER BY entry_id, updated_at DESC, hash DESC
) AS w
CROSS JOIN LATERAL jsonb_to_record(w.content::jsonb) AS c(agent text, kind text, title text, summary text,
  conclusion text, tags text[], refs text[], confidence double precision, status text, "supersededBy" text,
  "createdAt" bigint);
--> statement-breakpoint
-- A segment holds the terms of up to 1,024 entries of one workspace, and is never changed: its documents die one by one
-- as their entries get newer versions, until what lives of it is written to a new one. `length_total` is the sum of all
-- its documents' lengths, the dead ones included.
CREATE TABLE brain_segments (
  segment integer PRIMARY KEY,
  workspace_id text COLLATE "C" NOT NULL,
  documents integer NOT NULL,
  length_total double precision NOT NULL
);
--> statement-breakpoint
-- Which documents of a segment have a term, and how often: see lib/recall/postings.ts.
CREATE TABLE brain_postings (
  term text COLLATE "C" NOT NULL,
  segment integer NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (term, segment)
);
--> statement-breakpoint
-- For the day on which a segment is dropped: its rows lie together.
CREATE INDEX brain_postings_by_segment ON brain_postings USING brin (segment) WITH (pages_per_range = 16);
--> statement-breakpoint
-- `doc` is segment * 1,024 + the place in the segment.
CREATE TABLE brain_documents (
  doc integer PRIMARY KEY,
  entry_id text COLLATE "C" NOT NULL,
  length_code smallint NOT NULL,
  is_dead boolean NOT NULL DEFAULT false
);
--> statement-breakpoint
CREATE UNIQUE INDEX brain_documents_live ON brain_documents (entry_id) WHERE NOT is_dead;
--> statement-breakpoint
CREATE INDEX brain_documents_dead ON brain_documents (doc) WHERE is_dead;
--> statement-breakpoint
-- Entries whose present version is in no segment yet. Recall goes through them one by one.
CREATE TABLE brain_unindexed (
  entry_id text COLLATE "C" PRIMARY KEY
);
--> statement-breakpoint
INSERT INTO brain_unindexed SELECT entry_id FROM brain_entries;
--> statement-breakpoint
CREATE FUNCTION brain_entries_changed() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE brain_documents SET is_dead = true WHERE doc = ANY (ARRAY(
      SELECT (SELECT d.doc FROM brain_documents d WHERE d.entry_id = c.entry_id AND NOT d.is_dead) FROM changed c));
  END IF;
  IF TG_OP = 'DELETE' THEN
    DELETE FROM brain_unindexed WHERE entry_id = ANY (ARRAY(SELECT c.entry_id FROM changed c));
  ELSE
    INSERT INTO brain_unindexed SELECT c.entry_id FROM changed c ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER brain_entries_inserted AFTER INSERT ON brain_entries REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION brain_entries_changed();
--> statement-breakpoint
CREATE TRIGGER brain_entries_updated AFTER UPDATE ON brain_entries REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION brain_entries_changed();
--> statement-breakpoint
CREATE TRIGGER brain_entries_deleted AFTER DELETE ON brain_entries REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION brain_entries_changed();
--> statement-breakpoint
-- As before, without the words. Appends changes to the log in their order and merges each into brain_entries by the merge law: the greater
-- (updated_at, hash) wins. A change that the log has already, by its id or (from a server) as the very same version, is
-- left alone and not returned. The newest local stamp raises the clock's high-water mark. A function, because PostgreSQL
-- keeps its plan: planning this statement takes longer than running it. The plan is made once, often on empty tables,
-- and must serve full ones: hence look-ups as scalar subqueries, which cannot become a join over the whole table, and no
-- sequential scans.
CREATE OR REPLACE FUNCTION brain_append(changes jsonb) RETURNS TABLE (appended_id text, appended_outcome text)
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
      refs, confidence, status, superseded_by, created_at, updated_at, hash)
    SELECT w.entry_id, w.workspace_id, w.project_id, c.agent, c.kind, c.title, c.summary, c.conclusion, c.tags, c.refs,
      c.confidence, c.status, c."supersededBy", c."createdAt", w.updated_at, w.hash
    FROM (SELECT DISTINCT ON (entry_id) * FROM judged ORDER BY entry_id, stamp COLLATE "C" DESC) AS w
    CROSS JOIN LATERAL jsonb_to_record(w.content::jsonb) AS c(agent text, kind text, title text, summary text,
      conclusion text, tags text[], refs text[], confidence double precision, status text, "supersededBy" text,
      "createdAt" bigint)
    ON CONFLICT (entry_id) DO UPDATE SET
      workspace_id = excluded.workspace_id, project_id = excluded.project_id, agent = excluded.agent,
      kind = excluded.kind, title = excluded.title, summary = excluded.summary, conclusion = excluded.conclusion,
      tags = excluded.tags, refs = excluded.refs, confidence = excluded.confidence, status = excluded.status,
      superseded_by = excluded.superseded_by, created_at = excluded.created_at, updated_at = excluded.updated_at,
      hash = excluded.hash
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
