-- A push that also tells the cursor that it found: a replica that had everything up to there has everything after it,
-- and need not ask. The row is locked here, so that nobody else's changes can come between.
CREATE FUNCTION server_push_from(p_workspace text, p_pusher text, p_protocol integer, p_now_ms bigint, p_changes jsonb,
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
