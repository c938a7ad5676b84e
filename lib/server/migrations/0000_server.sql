-- The sync server's database, the same on PGlite and on PostgreSQL. Tables of tenants are keyed by workspace_id first,
-- so that they distribute. What a tenant's statements may see is said twice: by their WHERE, and by row-level security,
-- which reads the setting stackmemory.workspace. Directory tables (keys, accounts, invitations, workspaces) are open to
-- statements that set stackmemory.scope to "server", too.
CREATE TABLE server_meta (
  key text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);
--> statement-breakpoint
CREATE TABLE workspaces (
  workspace_id text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  project_id text COLLATE "C" NOT NULL,
  last_cursor bigint NOT NULL DEFAULT 0,
  created_at bigint NOT NULL
) WITH (fillfactor = 50);
--> statement-breakpoint
CREATE TABLE accounts (
  email text COLLATE "C" PRIMARY KEY,
  workspace_id text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE api_keys (
  hash text COLLATE "C" PRIMARY KEY,
  prefix text COLLATE "C" NOT NULL UNIQUE,
  workspace_id text COLLATE "C" NOT NULL,
  email text COLLATE "C",
  name text NOT NULL,
  created_at bigint NOT NULL,
  revoked_at bigint,
  last_used_at bigint
);
--> statement-breakpoint
CREATE TABLE invitations (
  hash text COLLATE "C" PRIMARY KEY,
  prefix text COLLATE "C" NOT NULL UNIQUE,
  email text COLLATE "C",
  workspace_id text COLLATE "C",
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  used_at bigint,
  revoked_at bigint
);
--> statement-breakpoint
CREATE TABLE changes (
  workspace_id text COLLATE "C" NOT NULL,
  cursor bigint NOT NULL CHECK (cursor > 0),
  change_id text COLLATE "C" NOT NULL,
  entry_id text COLLATE "C" NOT NULL,
  project_id text COLLATE "C" NOT NULL,
  base text COLLATE "C",
  replaces text[] COLLATE "C" NOT NULL,
  hash text COLLATE "C" NOT NULL,
  replica_id text COLLATE "C" NOT NULL,
  pusher_id text COLLATE "C" NOT NULL,
  updated_at bigint NOT NULL,
  claimed_at bigint,
  received_at bigint NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('applied', 'superseded', 'duplicate')),
  bytes integer NOT NULL,
  content text NOT NULL,
  PRIMARY KEY (workspace_id, cursor),
  UNIQUE (change_id, workspace_id)
);
--> statement-breakpoint
CREATE INDEX changes_by_entry ON changes (entry_id, workspace_id, updated_at, hash);
--> statement-breakpoint
CREATE FUNCTION changes_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'changes is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;
--> statement-breakpoint
CREATE TRIGGER changes_append_only BEFORE UPDATE OR DELETE ON changes
  FOR EACH ROW EXECUTE FUNCTION changes_refuse();
--> statement-breakpoint
CREATE TRIGGER changes_keep BEFORE TRUNCATE ON changes
  FOR EACH STATEMENT EXECUTE FUNCTION changes_refuse();
--> statement-breakpoint
-- What a pull sends: of each entry the current version, and the versions that lost to one that was not written on top
-- of them, until a version that names them resolves it. version_cursor is the row in changes; cursor is where a pull
-- meets it, which is later where something about the entry changed that only its current version can tell.
CREATE TABLE live (
  workspace_id text COLLATE "C" NOT NULL,
  cursor bigint NOT NULL,
  version_cursor bigint NOT NULL,
  entry_id text COLLATE "C" NOT NULL,
  project_id text COLLATE "C" NOT NULL,
  updated_at bigint NOT NULL,
  hash text COLLATE "C" NOT NULL,
  pusher_id text COLLATE "C" NOT NULL,
  bytes integer NOT NULL,
  has_base boolean NOT NULL,
  is_current boolean NOT NULL,
  PRIMARY KEY (workspace_id, cursor),
  UNIQUE (entry_id, workspace_id, updated_at, hash)
);
--> statement-breakpoint
CREATE UNIQUE INDEX live_current ON live (workspace_id, entry_id) WHERE is_current;
--> statement-breakpoint
CREATE TABLE replicas (
  workspace_id text COLLATE "C" NOT NULL,
  replica_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  chain text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace_id, replica_id)
);
--> statement-breakpoint
CREATE FUNCTION stamp_of(updated_at bigint, hash text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (lpad(updated_at::text, 16, '0') || hash) COLLATE "C"
$$;
--> statement-breakpoint
-- Whether a version names another as replaced: as the one it was written on, or in `replaces`, whose items are a content
-- hash, or `<hash>@<time>`. Only what is older than the version, or than that time, is named: the same content may come
-- back later under the same hash.
CREATE FUNCTION names_version(base text, replaces text[], updated_at bigint, other_hash text, other_updated_at bigint)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(other_updated_at < updated_at AND (other_hash = base OR other_hash = ANY (replaces)), false)
    OR (replaces <> '{}' AND EXISTS (
      SELECT FROM unnest(replaces) AS item
      WHERE left(item, 65) = other_hash || '@' AND substr(item, 66)::bigint > other_updated_at))
$$;
--> statement-breakpoint
-- One push, whole or not at all. The workspace's row is locked first: cursors are given in the order of commits, and
-- each later statement sees all that was committed before. Nothing is stored where the verdict is not "stored".
-- Planned once, often on empty tables, where PostgreSQL thinks that one index is as good as another: hence look-ups as
-- subqueries, no scans nor joins of whole tables, and `workspace_id || ''`, `cursor + 0`, `is_current IS NOT FALSE` where
-- the index by an id is to be taken: no other index serves these.
CREATE FUNCTION server_push(p_workspace text, p_pusher text, p_protocol integer, p_now_ms bigint, p_changes jsonb,
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
    FROM jsonb_to_recordset(p_changes) AS i(position integer, change_id text, entry_id text, project_id text, base text,
      replaces text[], hash text, echo_hash text, replica_id text, updated_at bigint, claimed_at bigint, content text,
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
      octet_length(j.content), j.content
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
      SELECT c.*, bool_or(c.base IS NOT NULL) OVER (PARTITION BY c.entry_id, c.updated_at, c.hash) AS has_base,
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
-- One page of what is live after a cursor: one statement, and so one snapshot, for the rows and for the cursor told with
-- them. Each row repeats the head; a page without rows is one row without a cursor. Where the replica is as the caller
-- says, its own changes are left out.
CREATE FUNCTION server_pull(p_workspace text, p_project text, p_since bigint, p_limit integer, p_bytes bigint,
  p_current_only boolean, p_replica text, p_seq bigint, p_chain text)
RETURNS TABLE (out_epoch text, out_last bigint, out_more boolean, out_cursor bigint, out_change_id text, out_base text,
  out_replaces text[], out_named text[], out_replica_id text, out_updated_at bigint, out_hash text, out_content text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
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
    FROM kept k CROSS JOIN changes c WHERE c.workspace_id = p_workspace AND c.cursor = k.version_cursor
  ) v ON true
  WHERE w.workspace_id = p_workspace
  ORDER BY 4;
END
$$;
--> statement-breakpoint
-- Stored versions in the order of their cursors, all of them or those of some entries.
CREATE FUNCTION server_history(p_workspace text, p_entry_ids text[], p_since bigint, p_until bigint, p_limit integer,
  p_bytes bigint)
RETURNS TABLE (out_epoch text, out_last bigint, out_more boolean, out_cursor bigint, out_change_id text, out_base text,
  out_replaces text[], out_replica_id text, out_updated_at bigint, out_claimed_at bigint, out_received_at bigint,
  out_outcome text, out_content text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
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
    FROM kept k CROSS JOIN changes c WHERE c.workspace_id = p_workspace AND c.cursor = k.cursor
  ) v ON true
  WHERE w.workspace_id = p_workspace
  ORDER BY 4;
END
$$;
--> statement-breakpoint
-- Digests of ranges of entry ids, each in parts of about equal numbers of entries. A range without entries has no row.
CREATE FUNCTION server_digest(p_workspace text, p_project text, p_ranges jsonb, p_parts integer, p_stamps_max integer)
RETURNS TABLE (out_epoch text, out_last bigint, out_range integer, out_part integer, out_first text, out_count bigint,
  out_hash text, out_stamps jsonb)
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
BEGIN
  PERFORM set_config('stackmemory.workspace', p_workspace, true);
  RETURN QUERY
  WITH parted AS (
    SELECT r.number::integer AS range, s.*, ntile(p_parts) OVER (PARTITION BY r.number ORDER BY s.entry_id) AS part
    FROM jsonb_array_elements(p_ranges) WITH ORDINALITY AS r(bounds, number) CROSS JOIN LATERAL (
      SELECT l.entry_id, l.updated_at, l.hash FROM live l
      WHERE l.workspace_id = p_workspace AND l.is_current AND l.entry_id >= (r.bounds->>'from')
        AND (r.bounds->>'to' IS NULL OR l.entry_id < (r.bounds->>'to'))
        AND (p_project IS NULL OR l.project_id = p_project) OFFSET 0
    ) s
  )
  SELECT (SELECT m.value FROM server_meta m WHERE m.key = 'epoch'), w.last_cursor, d.*
  FROM workspaces w LEFT JOIN (
    SELECT p.range, p.part, min(p.entry_id), count(*), encode(sha256(convert_to(
        string_agg(p.entry_id || ' ' || p.updated_at || ' ' || p.hash || E'\n', '' ORDER BY p.entry_id), 'UTF8')), 'hex'),
      CASE WHEN count(*) <= p_stamps_max
        THEN jsonb_agg(jsonb_build_array(p.entry_id, p.updated_at, p.hash) ORDER BY p.entry_id) END
    FROM parted p GROUP BY p.range, p.part
  ) d ON true
  WHERE w.workspace_id = p_workspace
  ORDER BY 3, 4;
END
$$;
--> statement-breakpoint
-- Who a key is. Its last use is noted once a minute, so that reading stays reading.
CREATE FUNCTION server_key(p_hash text, p_now_ms bigint)
RETURNS TABLE (out_hash text, out_prefix text, out_workspace_id text, out_project_id text,
  out_workspace_name text, out_revoked_at bigint)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('stackmemory.scope', 'server', true);
  UPDATE api_keys k SET last_used_at = p_now_ms
  WHERE k.hash = p_hash AND k.revoked_at IS NULL AND coalesce(k.last_used_at, 0) < p_now_ms - 60000;
  RETURN QUERY SELECT k.hash, k.prefix, k.workspace_id, w.project_id, w.name, k.revoked_at
  FROM api_keys k JOIN workspaces w ON w.workspace_id = k.workspace_id WHERE k.hash = p_hash;
END
$$;
--> statement-breakpoint
DO $$
DECLARE
  v_table text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['changes', 'live', 'replicas', 'workspaces', 'api_keys', 'accounts', 'invitations'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', v_table);
    IF v_table IN ('changes', 'live', 'replicas', 'workspaces') THEN
      EXECUTE format('CREATE POLICY tenant ON %I
        USING (workspace_id || '''' = (SELECT current_setting(''stackmemory.workspace'', true)))', v_table);
    END IF;
    IF v_table IN ('workspaces', 'api_keys', 'accounts', 'invitations') THEN
      EXECUTE format('CREATE POLICY server ON %I
        USING ((SELECT current_setting(''stackmemory.scope'', true)) = ''server'')', v_table);
    END IF;
  END LOOP;
END
$$;
--> statement-breakpoint
-- Superusers are above row-level security, so the server works as a role that is not. Where the migrating user may not
-- make roles, it is no superuser, and the security holds for itself. The role is the whole cluster's: another database
-- may make it at this very moment.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stackmemory_app') THEN
    BEGIN
      CREATE ROLE stackmemory_app NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
    END;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'stackmemory_app') THEN
    BEGIN
      GRANT stackmemory_app TO CURRENT_USER;
    EXCEPTION WHEN insufficient_privilege OR invalid_grant_operation OR internal_error THEN NULL;
    END;
    GRANT SELECT, INSERT ON changes TO stackmemory_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON live, replicas TO stackmemory_app;
    GRANT SELECT, INSERT, UPDATE ON workspaces, accounts, api_keys, invitations, server_meta TO stackmemory_app;
  END IF;
END
$$;
