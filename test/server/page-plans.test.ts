/**
 * That a page costs what is on it, and not what lies around it, in a server whose tables nobody has analysed yet, and in one
 * whose plans were made while its tables were empty: a team's first sync is made then. Counted in rows that were read, not in time.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newServerSchema } from '../../lib/server/data-directory.ts';
import { openMemoryStore, type OpenStore } from '../../lib/store/pglite.ts';

const ENTRIES = 5_000;
const PAGE = 100;
/** Rows of a table that may be read for each row of a page: itself, and what else there is of its entry. */
const ROWS_FOR_A_ROW_MAX = 4;
/** What is pushed is read again, to be made live. */
const ROWS_FOR_A_CHANGE_MAX = 5;

let store: OpenStore;

const CALLS = {
  'the first page of a pull': `server_pull('w', NULL, 0, ${PAGE}, 4000000, false, 'x', 0, '')`,
  'a page in the middle': `server_pull('w', NULL, ${ENTRIES / 2}, ${PAGE}, 4000000, false, 'x', 0, '')`,
  'a page of a project': `server_pull('w', 'p', ${ENTRIES / 2}, ${PAGE}, 4000000, true, NULL, NULL, NULL)`,
  'a page of the history': `server_history('w', NULL, 0, ${ENTRIES}, ${PAGE}, 4000000)`,
};

async function begin(): Promise<void> {
  store = await openMemoryStore(newServerSchema());
  await store.client.exec(`
    SELECT set_config('stackmemory.scope', 'server', false), set_config('stackmemory.workspace', 'w', false);
    INSERT INTO server_meta (key, value) VALUES ('epoch', 'e');
    INSERT INTO workspaces (workspace_id, project_id, name, created_at, last_cursor) VALUES ('w', 'p', 'w', 0, ${ENTRIES}),
      ('v', 'p', 'v', 0, 0);
  `);
}

async function fill(): Promise<void> {
  await store.client.exec(`
    SELECT set_config('stackmemory.workspace', 'w', false);
    INSERT INTO changes (workspace_id, cursor, change_id, entry_id, project_id, base, replaces, hash, replica_id, pusher_id,
      updated_at, received_at, outcome, bytes, content)
    SELECT 'w', n, md5('c' || n), md5('e' || n), 'p', NULL, '{}', md5('h' || n) || md5('i' || n), 'r', 'r', n, n, 'applied',
      400, repeat(md5('t' || n), 12)
    FROM generate_series(1, ${ENTRIES}) AS n;
    INSERT INTO live (workspace_id, cursor, version_cursor, entry_id, project_id, updated_at, hash, pusher_id, bytes,
      has_base, is_current)
    SELECT workspace_id, cursor, cursor, entry_id, project_id, updated_at, hash, pusher_id, bytes, false, true FROM changes
    WHERE workspace_id = 'w';
  `);
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The plans of a push on two versions of an entry, in another workspace. */
async function pushTwoVersions(): Promise<void> {
  const version = {
    project_id: 'p',
    replaces: [],
    replica_id: 'r',
    content: {},
    claimed_at: null,
    echo_hash: null,
    seq: null,
  };
  for (const [position, base] of [null, hashOf('first')].entries()) {
    const change = {
      ...version,
      position: 0,
      change_id: `first ${position}`,
      entry_id: 'first',
      base,
      updated_at: position + 1,
    };
    const rows = JSON.stringify([{ ...change, hash: hashOf(position === 0 ? 'first' : 'second') }]);
    await store.client.exec(`SELECT * FROM server_push_from('v', 'r', 2, 1, $json$${rows}$json$::json, NULL)`);
  }
}

/** Rows of each table that a call reads, and rows that it gives. */
async function rowsRead(call: string): Promise<{ given: number; changes: number; live: number }> {
  return store.client.transaction(async (transaction) => {
    const count = async () => {
      const { rows } = await transaction.query<{ changes: number; live: number }>(
        `SELECT sum(n) FILTER (WHERE relname = 'changes')::int AS changes, sum(n) FILTER (WHERE relname = 'live')::int AS live
        FROM (SELECT relname, seq_tup_read + idx_tup_fetch AS n FROM pg_stat_xact_user_tables) AS tables`,
      );
      return rows[0] ?? { changes: Number.NaN, live: Number.NaN };
    };
    const before = await count();
    const { rows } = await transaction.query(call);
    const after = await count();
    return { given: rows.length, changes: after.changes - before.changes, live: after.live - before.live };
  });
}

describe.each([
  ['tables that nobody has analysed', async () => fill()],
  [
    'plans that were made on empty tables',
    async () => {
      await store.client.exec('VACUUM ANALYZE'); // As a new server's data are made.
      for (const call of Object.values(CALLS)) await store.client.query(`SELECT * FROM ${call}`);
      await pushTwoVersions();
      await fill();
    },
  ],
])('with %s', (_how, prepare) => {
  beforeAll(async () => {
    await begin();
    await prepare();
  });
  afterAll(() => store.close());

  test.each(Object.entries(CALLS))('[V16] %s reads what is on it', async (_what, call) => {
    const { given, changes, live } = await rowsRead(`SELECT * FROM ${call}`);
    expect(given).toBe(PAGE);
    expect(changes).toBeGreaterThanOrEqual(PAGE);
    expect(Math.max(changes, live)).toBeLessThanOrEqual((PAGE + 1) * ROWS_FOR_A_ROW_MAX);
  });

  test('[V16] a push reads what its changes are about', async () => {
    const pushed = Array.from({ length: PAGE }, (_, position) => ({
      ...{ position, change_id: `pushed ${position}`, project_id: 'p', replaces: [], replica_id: 'r2', content: {} },
      // Half of them are of entries that are there.
      entry_id: position % 2 === 0 ? `new ${position}` : createHash('md5').update(`e${position}`).digest('hex'),
      hash: hashOf(String(position)),
      ...{ base: null, updated_at: ENTRIES + position, claimed_at: null, echo_hash: null, seq: null },
    }));
    const { given, changes, live } = await rowsRead(
      `SELECT * FROM server_push_from('w', 'r2', 2, 1, $json$${JSON.stringify(pushed)}$json$::json, NULL)`,
    );
    expect(given).toBe(1);
    expect(live).toBeGreaterThanOrEqual(PAGE / 2);
    expect(Math.max(changes, live)).toBeLessThanOrEqual(PAGE * ROWS_FOR_A_CHANGE_MAX);
  });
});
