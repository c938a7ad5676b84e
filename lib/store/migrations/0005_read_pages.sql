-- A page of a pull is stored by one statement where there were four, and comes as rows that say what is the same for all of
-- them once.
--
DROP FUNCTION brain_append(json);
--> statement-breakpoint
-- As before; when a change came and from where may be told once for all of them, and the entry's present version is looked up
-- once for each change.
CREATE FUNCTION brain_append(changes json, p_received_at bigint DEFAULT NULL, p_origin text DEFAULT NULL)
RETURNS TABLE (appended_id text, appended_outcome text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH given AS (
    SELECT i.position, i.change_id, i.entry_id, i.workspace_id, i.project_id, i.base, i.hash, i.replica_id, i.updated_at,
      coalesce(i.received_at, p_received_at) AS received_at, coalesce(i.origin, p_origin) AS origin, i.content, i.replaces,
      i.withdraws, lpad(i.updated_at::text, 16, '0') || i.hash AS stamp,
      (SELECT lpad(e.updated_at::text, 16, '0') || e.hash FROM brain_entries e WHERE e.entry_id = i.entry_id) AS standing
    FROM json_to_recordset(changes) AS i(position integer, change_id text, entry_id text, workspace_id text,
      project_id text, base text, hash text, replica_id text, updated_at bigint, received_at bigint, origin text,
      content json, replaces text[], withdraws text)
    OFFSET 0
  ), incoming AS (
    SELECT DISTINCT ON (i.change_id) i.* FROM given i
    WHERE (SELECT known.seq FROM brain_changes known WHERE known.change_id = i.change_id) IS NULL
      -- Of an entry that is not there the log has no version.
      AND (i.standing IS NULL OR i.origin NOT LIKE 'http%' OR cardinality(i.replaces) > 0 OR (
        SELECT known.seq FROM brain_changes known
        WHERE known.entry_id = i.entry_id AND known.updated_at = i.updated_at AND known.hash = i.hash
          AND (SELECT r.seq FROM brain_changes r WHERE r.withdraws = known.change_id) IS NULL
        LIMIT 1) IS NULL)
    ORDER BY i.change_id, i.position
  ), judged AS (
    SELECT i.*, greatest(i.standing,
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
-- A page of a pull: appends its rows, notes its cursor, and passes over what came with it (brain_sync_applied). Where entries
-- of it are filed under another workspace, whose server alone may change them, nothing is done, and they are named.
CREATE FUNCTION brain_take(p_endpoint text, p_workspace text, p_rows json, p_entry_ids json, p_received_at bigint,
  p_project text, p_cursor bigint, p_epoch text)
RETURNS TABLE (out_applied integer, out_superseded integer, out_elsewhere text[])
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
  v_head bigint;
  v_elsewhere text[];
BEGIN
  -- Hardly ever is there another workspace; then nothing of the page need be looked up.
  IF (SELECT e.workspace_id FROM brain_entries e WHERE e.workspace_id > p_workspace ORDER BY e.workspace_id LIMIT 1) IS NOT NULL
    OR (SELECT e.workspace_id FROM brain_entries e WHERE e.workspace_id > '' AND e.workspace_id < p_workspace
      ORDER BY e.workspace_id LIMIT 1) IS NOT NULL
  THEN
    SELECT array_agg(f.id) INTO v_elsewhere FROM brain_elsewhere(p_entry_ids, p_workspace) AS f(id);
    IF v_elsewhere IS NOT NULL THEN
      RETURN QUERY SELECT 0, 0, v_elsewhere;
      RETURN;
    END IF;
  END IF;
  SELECT coalesce(max(c.seq), 0) INTO v_head FROM brain_changes c;
  RETURN QUERY SELECT (count(*) FILTER (WHERE a.appended_outcome = 'applied'))::integer,
    (count(*) FILTER (WHERE a.appended_outcome = 'superseded'))::integer, NULL::text[]
  FROM brain_append(p_rows, p_received_at, p_endpoint) a;
  PERFORM brain_sync_applied(p_endpoint, p_workspace, v_head, p_project, p_cursor, p_epoch);
END
$$;
--> statement-breakpoint
DROP FUNCTION brain_outgoing(text, text, bigint, integer, bigint);
--> statement-breakpoint
-- As before, and whether anything pushed was refused or kept here: hardly ever, and then nothing of it is to be looked up.
CREATE FUNCTION brain_outgoing(p_endpoint text, p_workspace text, p_after bigint, p_limit integer, p_bytes bigint)
RETURNS TABLE (out_head bigint, out_more boolean, out_versions text, out_is_refused boolean)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
DECLARE
  v_head bigint;
BEGIN
  SELECT max(seq) INTO v_head FROM brain_changes;
  IF coalesce(v_head, 0) <= p_after THEN
    RETURN QUERY SELECT coalesce(v_head, 0), false, NULL::text, false;
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
  ), (
    SELECT r.change_id FROM brain_sync_refusals r
    WHERE r.endpoint = p_endpoint AND r.workspace_id = p_workspace AND r.direction = 'push' LIMIT 1
  ) IS NOT NULL;
END
$$;
--> statement-breakpoint
-- What a contact with a server has shown (brain_sync_note), and what is added to the clock from then on, where it is given; and
-- with the last word of a sync how the brain stands with the server then.
CREATE FUNCTION brain_sync_contact(p_endpoint text, p_workspace text, p_given jsonb, p_accepted json, p_correction_ms text,
  p_is_last boolean)
RETURNS jsonb LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
  PERFORM brain_sync_note(p_endpoint, p_workspace, p_given, p_accepted);
  IF p_correction_ms IS DISTINCT FROM (SELECT m.value FROM brain_meta m WHERE m.key = 'clock_offset_ms') THEN
    INSERT INTO brain_meta AS m (key, value) SELECT 'clock_offset_ms', p_correction_ms WHERE p_correction_ms IS NOT NULL
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;
  END IF;
  RETURN CASE WHEN p_is_last THEN brain_sync_state(p_endpoint, p_workspace) END;
END
$$;
