-- What a page of a sync costs: less of it for each change, and one statement where there were several.
--
-- The hash told versions of one time apart, which hardly ever are there; it was half of the index. A project's part of the
-- log is read backwards through the whole log: it was an index of its own, for "sm brain log" alone.
DROP INDEX brain_changes_by_entry;
--> statement-breakpoint
CREATE INDEX brain_changes_by_entry ON brain_changes (entry_id, updated_at);
--> statement-breakpoint
DROP INDEX brain_changes_by_scope;
--> statement-breakpoint
DROP FUNCTION brain_append(jsonb);
--> statement-breakpoint
-- As before, of json instead of jsonb (each value is read once, so that nothing is gained by making a tree of them first),
-- and with each content as a value of it: a column of type json gives back the very characters that the hash covers.
-- Appends changes to the log in their order and merges each into brain_entries by the merge law: the greater
-- (updated_at, hash) wins. A change that the log has already, by its id or (from a server) as the very same version, is
-- left alone and not returned. The newest local stamp raises the clock's high-water mark. A function, because PostgreSQL
-- keeps its plan: planning this statement takes longer than running it. The plan is made once, often on empty tables,
-- and must serve full ones: hence look-ups as scalar subqueries, which cannot become a join over the whole table, and no
-- sequential scans.
CREATE FUNCTION brain_append(changes json) RETURNS TABLE (appended_id text, appended_outcome text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH incoming AS (
    SELECT DISTINCT ON (i.change_id) i.*, lpad(i.updated_at::text, 16, '0') || i.hash AS stamp
    FROM json_to_recordset(changes) AS i(position integer, change_id text, entry_id text, workspace_id text,
      project_id text, base text, hash text, replica_id text, updated_at bigint, received_at bigint, origin text,
      content json, replaces text[], withdraws text)
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
    CROSS JOIN LATERAL json_to_record(w.content) AS c(agent text, kind text, title text, summary text,
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
    content::text, replaces, withdraws
  FROM judged
  RETURNING l.change_id, l.outcome;
END
$$;
--> statement-breakpoint
-- What is to be pushed after a place of the log, in order: at most p_limit versions and p_bytes of content, but one at
-- least. Where the page ends is found from lengths alone: contents could be more than memory holds. The versions are one
-- text, `[seq, base, hash, replica, replaces, time, content],…`: a thousand rows of seven values each take twice as long.
CREATE FUNCTION brain_outgoing(p_endpoint text, p_workspace text, p_after bigint, p_limit integer, p_bytes bigint)
RETURNS TABLE (out_head bigint, out_more boolean, out_versions text)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
DECLARE
  v_head bigint;
BEGIN
  SELECT max(seq) INTO v_head FROM brain_changes;
  IF coalesce(v_head, 0) <= p_after THEN
    RETURN QUERY SELECT coalesce(v_head, 0), false, NULL::text;
    RETURN;
  END IF;
  RETURN QUERY
  WITH found AS MATERIALIZED (
    SELECT c.seq, octet_length(c.content) AS bytes FROM brain_changes c
    WHERE c.seq > p_after AND c.workspace_id = p_workspace AND c.origin <> p_endpoint
      AND (SELECT r.seq FROM brain_changes r WHERE r.withdraws = c.change_id) IS NULL
    ORDER BY c.seq LIMIT p_limit + 1
  ), sized AS MATERIALIZED (
    SELECT f.seq, row_number() OVER (ORDER BY f.seq) AS nth, sum(f.bytes) OVER (ORDER BY f.seq) AS total FROM found f
  ), taken AS MATERIALIZED (
    SELECT s.seq FROM sized s WHERE s.nth <= p_limit AND (s.nth = 1 OR s.total <= p_bytes)
  )
  SELECT v_head, (SELECT count(*) FROM taken) < (SELECT count(*) FROM sized), (
    SELECT string_agg(rtrim(json_build_array(c.seq, c.base, c.hash, c.replica_id, c.replaces, c.updated_at)::text, ']')
      || ',' || c.content || ']', ',' ORDER BY t.seq)
    FROM taken t CROSS JOIN LATERAL (
      SELECT o.seq, o.base, o.hash, o.replica_id, o.replaces, o.updated_at, o.content FROM brain_changes o
      WHERE o.seq = t.seq OFFSET 0
    ) c
  );
END
$$;
--> statement-breakpoint
-- Which of these entries are filed under another workspace.
CREATE FUNCTION brain_elsewhere(p_entry_ids json, p_workspace text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
  RETURN QUERY SELECT i.id FROM json_array_elements_text(p_entry_ids) AS i(id)
  WHERE (SELECT e.workspace_id FROM brain_entries e WHERE e.entry_id = i.id) NOT IN ('', p_workspace);
END
$$;
--> statement-breakpoint
-- Stores what a contact with a server has shown: the fields that are given, all cursors in place of those that there are,
-- and which changes are refused no longer.
CREATE FUNCTION brain_sync_note(p_endpoint text, p_workspace text, p_given jsonb, p_accepted json) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
  INSERT INTO brain_sync_meta AS m (endpoint, workspace_id, epoch, protocol, pushed_seq, chain, scanned_seq,
    clock_offset_ms, last_push_at, last_pull_at, last_error)
  VALUES (p_endpoint, p_workspace, p_given->>'epoch', (p_given->>'protocol')::integer,
    coalesce((p_given->>'pushedSeq')::bigint, 0), coalesce(p_given->>'chain', ''),
    coalesce((p_given->>'scannedSeq')::bigint, 0), (p_given->>'clockOffsetMs')::bigint,
    (p_given->>'lastPushAt')::bigint, (p_given->>'lastPullAt')::bigint, p_given->>'lastError')
  ON CONFLICT (endpoint, workspace_id) DO UPDATE SET
    epoch = CASE WHEN p_given ? 'epoch' THEN excluded.epoch ELSE m.epoch END,
    protocol = CASE WHEN p_given ? 'protocol' THEN excluded.protocol ELSE m.protocol END,
    pushed_seq = CASE WHEN p_given ? 'pushedSeq' THEN excluded.pushed_seq ELSE m.pushed_seq END,
    chain = CASE WHEN p_given ? 'chain' THEN excluded.chain ELSE m.chain END,
    scanned_seq = CASE WHEN p_given ? 'scannedSeq' THEN excluded.scanned_seq ELSE m.scanned_seq END,
    clock_offset_ms = CASE WHEN p_given ? 'clockOffsetMs' THEN excluded.clock_offset_ms ELSE m.clock_offset_ms END,
    last_push_at = CASE WHEN p_given ? 'lastPushAt' THEN excluded.last_push_at ELSE m.last_push_at END,
    last_pull_at = CASE WHEN p_given ? 'lastPullAt' THEN excluded.last_pull_at ELSE m.last_pull_at END,
    last_error = CASE WHEN p_given ? 'lastError' THEN excluded.last_error ELSE m.last_error END;
  IF p_given ? 'cursors' THEN
    DELETE FROM brain_sync_cursors c WHERE c.endpoint = p_endpoint AND c.workspace_id = p_workspace
      AND NOT p_given->'cursors' ? c.project_id;
    INSERT INTO brain_sync_cursors (endpoint, workspace_id, project_id, cursor)
    SELECT p_endpoint, p_workspace, g.key, g.value::bigint FROM jsonb_each_text(p_given->'cursors') AS g(key, value)
    ON CONFLICT (endpoint, workspace_id, project_id) DO UPDATE SET cursor = excluded.cursor;
  END IF;
  -- Hardly ever is anything refused; what was accepted need not be looked at then.
  IF (SELECT r.direction FROM brain_sync_refusals r WHERE r.endpoint = p_endpoint AND r.workspace_id = p_workspace
      AND r.direction = 'push' LIMIT 1) IS NOT NULL THEN
    DELETE FROM brain_sync_refusals r WHERE r.endpoint = p_endpoint AND r.workspace_id = p_workspace
      AND r.direction = 'push' AND r.change_id = ANY (ARRAY(SELECT json_array_elements_text(p_accepted)));
  END IF;
END
$$;
