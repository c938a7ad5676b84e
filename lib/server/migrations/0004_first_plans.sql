-- A page's changes are looked up in the order of the primary key, which no other index has. On tables that are empty all
-- indexes cost the same, and the plan that a server makes then, at the first pull of its first user, serves until it ends: it took
-- the index by entry, whose second column is the workspace, and read all changes of the workspace for each row of a page.
DROP INDEX changes_by_entry;
--> statement-breakpoint
-- Its look-ups hide the workspace from the planner, and never used the second column.
CREATE INDEX changes_by_entry ON changes (entry_id);
--> statement-breakpoint
CREATE OR REPLACE FUNCTION server_pull(p_workspace text, p_project text, p_since bigint, p_limit integer, p_bytes bigint,
  p_current_only boolean, p_replica text, p_seq bigint, p_chain text)
RETURNS TABLE (out_epoch text, out_last bigint, out_more boolean, out_cursor bigint, out_change_id text, out_base text,
  out_replaces text[], out_named text[], out_replica_id text, out_updated_at bigint, out_hash text, out_content text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
BEGIN
  PERFORM set_config('stackmemory.workspace', p_workspace, true);
  RETURN QUERY
  WITH own AS MATERIALIZED (
    SELECT r.replica_id FROM replicas r WHERE r.workspace_id = p_workspace AND r.replica_id = p_replica
      AND r.seq = p_seq AND r.chain = p_chain
  ), page AS MATERIALIZED (
    SELECT l.* FROM live l
    WHERE l.workspace_id = p_workspace AND l.cursor > p_since AND (p_project IS NULL OR l.project_id = p_project)
      AND (l.is_current OR NOT p_current_only) AND l.pusher_id IS DISTINCT FROM (SELECT o.replica_id FROM own o)
    ORDER BY l.cursor LIMIT p_limit + 1
  ), sized AS MATERIALIZED (
    SELECT p.*, row_number() OVER (ORDER BY p.cursor) AS nth, sum(p.bytes) OVER (ORDER BY p.cursor) AS total FROM page p
  ), kept AS MATERIALIZED (
    SELECT s.* FROM sized s WHERE s.nth <= p_limit AND (s.nth = 1 OR s.total <= p_bytes)
  )
  SELECT (SELECT m.value FROM server_meta m WHERE m.key = 'epoch'), w.last_cursor,
    (SELECT count(*) FROM kept) < (SELECT count(*) FROM sized), v.*
  FROM workspaces w LEFT JOIN LATERAL (
    SELECT k.cursor, c.change_id, c.base, c.replaces, CASE WHEN k.is_current AND NOT p_current_only THEN ARRAY(
      -- What changes that are not sent have replaced, among them those that made the same version on another base: who
      -- holds one of those learns that it was not concurrent. The hash of the version itself may be among them: the
      -- same content was there before.
      SELECT x.hash || '@' || max(x.before) FROM changes o CROSS JOIN LATERAL (
        SELECT left(item, 64), coalesce(nullif(substr(item, 66), '')::bigint, o.updated_at)
        FROM unnest(o.replaces || o.base) AS item WHERE item IS NOT NULL
      ) AS x(hash, before)
      WHERE o.entry_id = k.entry_id AND o.workspace_id || '' = p_workspace AND o.cursor + 0 > p_since
        AND o.cursor <> k.version_cursor AND x.hash IS DISTINCT FROM c.base
        AND NOT x.hash = ANY (c.replaces)
        AND (SELECT s.cursor FROM live s WHERE s.entry_id = o.entry_id AND s.workspace_id || '' = p_workspace
          AND s.updated_at = o.updated_at AND s.hash = o.hash AND s.version_cursor = o.cursor) IS NULL
      GROUP BY x.hash ORDER BY max(o.cursor) DESC LIMIT 256
    ) END, c.replica_id, c.updated_at, c.hash, c.content
    FROM kept k CROSS JOIN LATERAL (
      SELECT o.* FROM changes o WHERE o.workspace_id = p_workspace AND o.cursor BETWEEN k.version_cursor AND k.version_cursor
      ORDER BY o.cursor LIMIT 1
    ) c
  ) v ON true
  WHERE w.workspace_id = p_workspace
  ORDER BY 4;
END
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION server_history(p_workspace text, p_entry_ids text[], p_since bigint, p_until bigint, p_limit integer,
  p_bytes bigint)
RETURNS TABLE (out_epoch text, out_last bigint, out_more boolean, out_cursor bigint, out_change_id text, out_base text,
  out_replaces text[], out_replica_id text, out_updated_at bigint, out_claimed_at bigint, out_received_at bigint,
  out_outcome text, out_content text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
BEGIN
  PERFORM set_config('stackmemory.workspace', p_workspace, true);
  RETURN QUERY
  WITH page AS MATERIALIZED (
    (SELECT c.cursor, c.bytes FROM changes c
     WHERE p_entry_ids IS NULL AND c.workspace_id = p_workspace AND c.cursor > p_since AND c.cursor <= p_until
     ORDER BY c.cursor LIMIT p_limit + 1)
    UNION ALL
    (SELECT c.cursor, c.bytes FROM changes c
     WHERE c.entry_id = ANY (p_entry_ids) AND c.workspace_id || '' = p_workspace
       AND c.cursor + 0 > p_since AND c.cursor + 0 <= p_until
     ORDER BY c.cursor LIMIT p_limit + 1)
  ), sized AS MATERIALIZED (
    SELECT p.cursor, row_number() OVER (ORDER BY p.cursor) AS nth, sum(p.bytes) OVER (ORDER BY p.cursor) AS total
    FROM page p
  ), kept AS MATERIALIZED (
    SELECT s.cursor FROM sized s WHERE s.nth <= p_limit AND (s.nth = 1 OR s.total <= p_bytes)
  )
  SELECT (SELECT m.value FROM server_meta m WHERE m.key = 'epoch'), w.last_cursor,
    (SELECT count(*) FROM kept) < (SELECT count(*) FROM sized), v.*
  FROM workspaces w LEFT JOIN LATERAL (
    SELECT c.cursor, c.change_id, c.base, c.replaces, c.replica_id, c.updated_at, c.claimed_at, c.received_at, c.outcome,
      c.content
    FROM kept k CROSS JOIN LATERAL (
      SELECT o.* FROM changes o WHERE o.workspace_id = p_workspace AND o.cursor BETWEEN k.cursor AND k.cursor
      ORDER BY o.cursor LIMIT 1
    ) c
  ) v ON true
  WHERE w.workspace_id = p_workspace
  ORDER BY 4;
END
$$;
