-- A push costs less for each change. The hash and the time told versions of one entry apart, of which there are few; they were
-- most of the index.
DROP INDEX changes_by_entry;
--> statement-breakpoint
CREATE INDEX changes_by_entry ON changes (entry_id, workspace_id);
--> statement-breakpoint
-- The functions of jsonb stay beside these: an instance of the version before, on the same database, goes on pushing by them.
-- As before, of json instead of jsonb, with each content as a value of it (a column of type json gives back the very
-- characters that the hash covers), and without carrying the contents through the windows of what is live.
CREATE FUNCTION server_push(p_workspace text, p_pusher text, p_protocol integer, p_now_ms bigint, p_changes json,
  p_replica jsonb)
RETURNS TABLE (out_verdict text, out_epoch text, out_cursor bigint, out_stored integer, out_seq bigint, out_chain text,
  out_outcomes jsonb)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
DECLARE
  v_before bigint;
  v_last bigint;
  v_seq bigint := 0;
  v_taken bigint := 0;
  v_chain text := '';
  v_seq_last bigint;
  v_chain_there text;
  v_verdict text := 'stored';
  v_outcomes jsonb;
  v_stored integer;
  v_namers bigint[];
  v_resolved bigint[];
  v_forgotten bigint[];
  v_lost bigint[];
BEGIN
  PERFORM set_config('stackmemory.workspace', p_workspace, true);
  SELECT w.last_cursor INTO v_last FROM workspaces w WHERE w.workspace_id = p_workspace FOR UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'there is no workspace %', p_workspace USING ERRCODE = 'no_data_found'; END IF;

  IF p_replica IS NOT NULL THEN
    SELECT r.seq, r.chain INTO v_seq, v_chain FROM replicas r
    WHERE r.workspace_id = p_workspace AND r.replica_id = p_pusher;
    IF NOT FOUND THEN v_seq := 0; v_chain := ''; END IF;
    v_taken := v_seq;
    -- steps: [seq, rolling hash after it] of the changes in this push, ascending.
    v_seq_last := coalesce((p_replica->'steps'->-1->>0)::bigint, (p_replica->>'seq')::bigint);
    IF (p_replica->>'headSeq')::bigint < v_seq THEN v_verdict := 'replica_behind';
    ELSIF (p_replica->>'seq')::bigint > v_seq THEN v_verdict := 'replica_ahead';
    ELSIF v_seq_last >= v_seq THEN
      SELECT s.step->>1 INTO v_chain_there FROM jsonb_array_elements(p_replica->'steps') AS s(step)
      WHERE (s.step->>0)::bigint <= v_seq ORDER BY (s.step->>0)::bigint DESC LIMIT 1;
      IF coalesce(v_chain_there, p_replica->>'chain') <> v_chain THEN v_verdict := 'forked';
      ELSIF v_seq_last > v_seq THEN
        v_seq := v_seq_last;
        v_chain := p_replica->'steps'->-1->>1;
        INSERT INTO replicas AS r (workspace_id, replica_id, seq, chain) VALUES (p_workspace, p_pusher, v_seq, v_chain)
        ON CONFLICT (workspace_id, replica_id) DO UPDATE SET seq = excluded.seq, chain = excluded.chain;
      END IF;
    END IF;
    IF v_verdict <> 'stored' THEN
      RETURN QUERY SELECT v_verdict, (SELECT m.value FROM server_meta m WHERE m.key = 'epoch'), v_last, 0, v_seq, v_chain,
        NULL::jsonb;
      RETURN;
    END IF;
  END IF;

  v_before := greatest(p_now_ms * 1000 - 1, v_last);
  WITH incoming AS MATERIALIZED (
    SELECT i.*, stamp_of(i.updated_at, i.hash) AS stamp,
      first_value(i.hash) OVER same AS first_hash, row_number() OVER same AS nth,
      (SELECT k.hash FROM changes k WHERE k.change_id = i.change_id AND k.workspace_id || '' = p_workspace) AS known_hash,
      (SELECT stamp_of(l.updated_at, l.hash) FROM live l
        WHERE l.entry_id = i.entry_id AND l.workspace_id || '' = p_workspace AND l.is_current IS NOT FALSE) COLLATE "C" AS current_stamp
    FROM json_to_recordset(p_changes) AS i(position integer, change_id text, entry_id text, project_id text, base text,
      replaces text[], hash text, echo_hash text, replica_id text, updated_at bigint, claimed_at bigint, content json,
      seq bigint)
    WINDOW same AS (PARTITION BY i.change_id ORDER BY i.position)
  ), fresh AS (
    -- What was taken before and is not in the log was refused then. It stays refused, however late a copy of the request
    -- arrives: the replica has withdrawn it by now.
    -- echo_hash: a protocol 1 client was sent this retracted version as superseded, and gives it back.
    SELECT i.*, i.known_hash IS NULL AND i.seq <= v_taken AS was_refused,
      i.known_hash IS NULL AND i.nth = 1 AND (i.seq IS NULL OR i.seq > v_taken)
      AND (i.echo_hash IS NULL OR i.current_stamp IS DISTINCT FROM stamp_of(i.updated_at, i.echo_hash)) AS is_fresh
    FROM incoming i
  ), compared AS (
    SELECT f.*, greatest(f.current_stamp, max(CASE WHEN f.is_fresh THEN f.stamp END) OVER (
      PARTITION BY f.entry_id ORDER BY f.position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )) COLLATE "C" AS best_before
    FROM fresh f
  ), judged AS MATERIALIZED (
    SELECT c.*, CASE
      WHEN c.was_refused THEN 'was_refused'
      WHEN NOT c.is_fresh AND coalesce(c.known_hash, c.first_hash) <> c.hash THEN 'change_id_reused'
      WHEN NOT c.is_fresh OR c.stamp = c.best_before THEN 'duplicate'
      WHEN c.best_before IS NULL OR c.stamp > c.best_before THEN 'applied'
      ELSE 'superseded' END AS outcome
    FROM compared c
  ), logged AS (
    INSERT INTO changes (workspace_id, cursor, change_id, entry_id, project_id, base, replaces, hash, replica_id,
      pusher_id, updated_at, claimed_at, received_at, outcome, bytes, content)
    SELECT p_workspace, v_before + row_number() OVER (ORDER BY j.position), j.change_id, j.entry_id, j.project_id,
      CASE WHEN p_protocol = 1 THEN CASE WHEN j.outcome = 'applied' THEN substr(j.best_before, 17) END ELSE j.base END,
      coalesce(j.replaces, '{}'), j.hash, j.replica_id, p_pusher, j.updated_at, j.claimed_at, p_now_ms, j.outcome,
      octet_length(j.content::text), j.content::text
    FROM judged j WHERE j.is_fresh
  )
  SELECT jsonb_agg(jsonb_build_array(j.position, j.outcome) ORDER BY j.position) FILTER (WHERE j.outcome <> 'applied'),
    count(*) FILTER (WHERE j.is_fresh)
  INTO v_outcomes, v_stored FROM judged j;

  IF v_stored > 0 THEN
    v_last := v_before + v_stored;
    -- Versions that the new ones name are replaced, not concurrent.
    SELECT array_agg(DISTINCT d.cursor), array_agg(DISTINCT n.cursor) FILTER (WHERE NOT d.is_current)
    INTO v_resolved, v_namers
    FROM changes n CROSS JOIN LATERAL (
      SELECT l.cursor, l.is_current FROM live l
      WHERE l.entry_id = n.entry_id AND l.workspace_id || '' = p_workspace
        AND (l.hash = n.base OR n.replaces <> '{}')
        AND names_version(n.base, n.replaces, n.updated_at, l.hash, l.updated_at) OFFSET 0
    ) d
    WHERE n.workspace_id = p_workspace AND n.cursor > v_before AND (n.base IS NOT NULL OR n.replaces <> '{}');
    IF v_resolved IS NOT NULL THEN
      DELETE FROM live l WHERE l.workspace_id = p_workspace AND l.cursor = ANY (v_resolved);
    END IF;
    -- A former current version that nobody names has lost to a concurrent one; without ancestry nobody can tell.
    SELECT array_agg(o.cursor) FILTER (WHERE NOT o.has_base), array_agg(o.cursor) FILTER (WHERE o.has_base)
    INTO v_forgotten, v_lost
    FROM (
      SELECT DISTINCT n.entry_id FROM changes n
      WHERE n.workspace_id = p_workspace AND n.cursor > v_before AND n.outcome = 'applied' OFFSET 0
    ) e CROSS JOIN LATERAL (
      SELECT l.cursor, l.has_base FROM live l
      WHERE l.entry_id = e.entry_id AND l.workspace_id || '' = p_workspace AND l.is_current IS NOT FALSE OFFSET 0
    ) o;
    IF v_forgotten IS NOT NULL THEN
      DELETE FROM live l WHERE l.workspace_id = p_workspace AND l.cursor = ANY (v_forgotten);
    END IF;
    IF v_lost IS NOT NULL THEN
      UPDATE live l SET is_current = false WHERE l.workspace_id = p_workspace AND l.cursor = ANY (v_lost);
    END IF;
    INSERT INTO live AS l (workspace_id, cursor, version_cursor, entry_id, project_id, updated_at, hash, pusher_id, bytes,
      has_base, is_current)
    SELECT DISTINCT ON (n.entry_id, n.updated_at, n.hash) p_workspace, n.cursor, n.cursor, n.entry_id, n.project_id,
      n.updated_at, n.hash, n.pusher_id, n.bytes, n.has_base, n.is_current
    FROM (
      SELECT c.cursor, c.entry_id, c.project_id, c.updated_at, c.hash, c.pusher_id, c.bytes, bool_or(c.base IS NOT NULL) OVER (PARTITION BY c.entry_id, c.updated_at, c.hash) AS has_base,
        c.outcome = 'applied'
          AND c.cursor = max(c.cursor) FILTER (WHERE c.outcome = 'applied') OVER (PARTITION BY c.entry_id) AS is_current
      FROM changes c WHERE c.workspace_id = p_workspace AND c.cursor > v_before
    ) n
    WHERE n.is_current OR n.has_base AND (
      SELECT x.cursor FROM changes x
      WHERE x.entry_id = n.entry_id AND x.workspace_id || '' = p_workspace
        AND (x.base = n.hash OR x.replaces <> '{}')
        AND names_version(x.base, x.replaces, x.updated_at, n.hash, n.updated_at) LIMIT 1
    ) IS NULL
    ORDER BY n.entry_id, n.updated_at, n.hash, n.is_current DESC, n.cursor
    ON CONFLICT (workspace_id, entry_id, updated_at, hash) DO UPDATE SET has_base = l.has_base OR excluded.has_base;
    -- A conflict that was resolved by a version that no pull sends: the current version goes out again and tells of it.
    IF v_namers IS NOT NULL THEN
      UPDATE live l SET cursor = b.cursor, pusher_id = ''
      FROM (
        SELECT n.entry_id, max(n.cursor) AS cursor FROM changes n
        WHERE n.workspace_id = p_workspace AND n.cursor = ANY (v_namers)
          AND (SELECT s.cursor FROM live s WHERE s.workspace_id = p_workspace AND s.cursor = n.cursor) IS NULL
        GROUP BY n.entry_id
      ) b
      WHERE l.entry_id = b.entry_id AND l.workspace_id || '' = p_workspace AND l.is_current IS NOT FALSE
        AND l.cursor + 0 <= v_before;
    END IF;
    UPDATE workspaces w SET last_cursor = v_last WHERE w.workspace_id = p_workspace;
    PERFORM pg_notify('stackmemory', 'cursor ' || v_last || ' ' || p_workspace);
  END IF;
  RETURN QUERY SELECT v_verdict, (SELECT m.value FROM server_meta m WHERE m.key = 'epoch'), v_last, v_stored, v_seq,
    v_chain, v_outcomes;
END
$$;
--> statement-breakpoint
CREATE FUNCTION server_push_from(p_workspace text, p_pusher text, p_protocol integer, p_now_ms bigint, p_changes json,
  p_replica jsonb)
RETURNS TABLE (out_found bigint, out_verdict text, out_epoch text, out_cursor bigint, out_stored integer, out_seq bigint,
  out_chain text, out_outcomes jsonb)
LANGUAGE plpgsql AS $$
DECLARE
  v_found bigint;
BEGIN
  PERFORM set_config('stackmemory.workspace', p_workspace, true);
  SELECT w.last_cursor INTO v_found FROM workspaces w WHERE w.workspace_id = p_workspace FOR UPDATE;
  RETURN QUERY SELECT v_found, p.* FROM server_push(p_workspace, p_pusher, p_protocol, p_now_ms, p_changes, p_replica) p;
END
$$;
