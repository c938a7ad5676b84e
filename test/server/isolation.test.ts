/** Tenants apart: no sequence of requests with one key changes or reveals anything of another workspace. */
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPostgresServerStore } from '../../lib/server/postgres-store.ts';
import { toStoreRows } from '../../lib/server/change-rows.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { createTestServer, type TestServer } from '../support/server-app.ts';
import { flatChange, storeChange } from '../support/server-changes.ts';
import { createTestKey, type TestKey } from '../support/server-keys.ts';
import { connectTo, startPostgres, type TestPostgres } from '../support/server-postgres.ts';

const SECRET = 'the secret of B';

describe('over the wire', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await createTestServer({ adminToken: 'the-token' });
  });
  afterAll(() => server.close());

  const dump = async (key: TestKey): Promise<string> => {
    const { body } = await server.post('/v1/brain/history', key.apiKey, { protocolVersion: 2 });
    const pulled = await server.post('/v1/brain/pull', key.apiKey, { protocolVersion: 2, clientId: 'dump', since: 0 });
    const digest = { protocolVersion: 2, ranges: [{ from: '', to: null }] };
    return JSON.stringify([body, pulled.body, (await server.post('/v1/brain/digest', key.apiKey, digest)).body]);
  };

  test('[V5] no sequence of requests with key A changes or reveals anything of B', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(attack(), { minLength: 1, maxLength: 12 }), async (attacks) => {
        const [a, b] = [await server.createKey('A'), await server.createKey('B')];
        const theirs = [1, 2, 3].map((number) =>
          flatChange({ number, title: SECRET, updatedAt: 5, workspaceId: b.workspaceId, projectId: b.projectId }),
        );
        await server.post('/v1/brain/push', b.apiKey, { protocolVersion: 2, clientId: 'b', changes: theirs });
        const before = await dump(b);
        for (const { path, body } of attacks) {
          const filled = JSON.parse(
            JSON.stringify(body)
              .replaceAll('<B>', b.workspaceId)
              .replaceAll('<A>', a.workspaceId)
              .replaceAll('<project of B>', b.projectId)
              .replaceAll('<change of B>', theirs[0]?.changeId ?? ''),
          ) as Record<string, unknown>;
          const { status, body: answer } = await server.post(path, a.apiKey, filled);
          expect(status).toBeLessThan(500);
          const text = JSON.stringify(answer);
          expect(text).not.toContain(SECRET);
          // What A itself sent may come back; B's own ids in an answer about itself may not.
          if (status === 200) expect(text).not.toContain(b.workspaceId);
        }
        expect(await dump(b)).toBe(before);
      }),
      { numRuns: 40 },
    );
  });
});

/** Requests that reach for B from A: its ids in every place where an id may stand. */
function attack(): fc.Arbitrary<{ path: string; body: Record<string, unknown> }> {
  const workspaceId = fc.constantFrom('<A>', '<B>', '', '%', "' OR '1'='1");
  const projectId = fc.constantFrom('<project of B>', 'p', '');
  const clientId = fc.constantFrom('a', 'b', 'dump');
  const version = fc.constantFrom(1, 2);
  const change = fc
    .record({ number: fc.integer({ min: 1, max: 4 }), title: fc.constantFrom('mine', "'; DELETE FROM live; --") })
    .chain(({ number, title }) =>
      fc.record({
        inner: workspaceId,
        changeId: fc.constantFrom('<change of B>', undefined),
        status: fc.constantFrom('active' as const, 'retracted' as const),
        flat: fc.constant(flatChange({ number, title, updatedAt: 9, workspaceId: '' })),
      }),
    )
    .map(({ inner, changeId, status, flat }) => ({
      ...flat,
      workspaceId: inner,
      status,
      ...(changeId === undefined ? {} : { changeId }),
    }));
  const envelope = { workspaceId, projectId, clientId };
  return fc.oneof(
    fc
      .record({ ...envelope, protocolVersion: version, items: fc.array(change, { maxLength: 3 }) })
      .map(({ items, ...rest }) => ({
        path: '/v1/brain/push',
        body: { ...rest, ...(rest.protocolVersion === 1 ? { entries: items } : { changes: items }) },
      })),
    fc
      .record({ ...envelope, protocolVersion: version, scope: fc.constantFrom('workspace', 'project') })
      .map((body) => ({ path: '/v1/brain/pull', body: { ...body, since: 0 } })),
    fc.record({ ...envelope, scope: fc.constantFrom('workspace', 'project') }).map((body) => ({
      path: '/v1/brain/digest',
      body: { ...body, protocolVersion: 2, ranges: [{ from: '', to: null }], stampsMax: 1_000 },
    })),
    fc.record(envelope).map((body) => ({
      path: '/v1/brain/history',
      body: {
        ...body,
        protocolVersion: 2,
        entryIds: [1, 2, 3].map((number) => flatChange({ number, title: 'x', updatedAt: 1, workspaceId: '' }).entryId),
      },
    })),
    fc.constantFrom(
      { path: '/v1/admin/key/create', body: { workspace: '<B>' } },
      { path: '/v1/admin/key/list', body: {} },
      { path: '/v1/setup/reset', body: { email: 'b@example.org' } },
    ),
  );
}

describe('on PostgreSQL', () => {
  let postgres: TestPostgres;
  let store: ChangeStore;
  let client: pg.Client;
  let keys: [TestKey, TestKey];
  const tables = ['changes', 'live', 'replicas', 'workspaces'];

  beforeAll(async () => {
    postgres = await startPostgres();
    const databaseUrl = await postgres.createDatabase();
    store = await openPostgresServerStore({ databaseUrl });
    keys = [await createTestKey(store, 'A'), await createTestKey(store, 'B')];
    for (const { workspaceId } of keys) {
      const changes = [storeChange({ number: 1, title: SECRET, updatedAt: 5, workspaceId })];
      const replica = { seq: 0, chain: '', headSeq: 1, steps: [[1, 'f'.repeat(64)] as [number, string]] };
      await store.push({
        workspaceId,
        pusherId: 'r',
        protocol: 2,
        nowMs: Date.now(),
        ...toStoreRows(changes),
        replica,
      });
    }
    client = await connectTo(databaseUrl);
  });

  afterAll(async () => {
    await client.end();
    await store.close();
    await postgres.stop();
  });

  const asServer = async (workspaceId: string | undefined, statement: string): Promise<pg.QueryResult> => {
    await client.query('BEGIN');
    try {
      await client.query('SET LOCAL ROLE stackmemory_app');
      if (workspaceId !== undefined) {
        await client.query(`SELECT set_config('stackmemory.workspace', $1, true)`, [workspaceId]);
      }
      return await client.query(statement);
    } finally {
      await client.query('ROLLBACK');
    }
  };

  test('[V5] a statement that forgets its WHERE sees the workspace it works for, and nothing without one', async () => {
    for (const table of tables) {
      const { rows } = await asServer(keys[0].workspaceId, `SELECT workspace_id FROM ${table}`);
      expect(rows).toEqual([{ workspace_id: keys[0].workspaceId }]);
      expect((await asServer(undefined, `SELECT * FROM ${table}`)).rows).toEqual([]);
    }
    for (const table of ['api_keys', 'accounts', 'invitations']) {
      expect((await asServer(keys[0].workspaceId, `SELECT * FROM ${table}`)).rows).toEqual([]);
    }
  });

  test('[V5] nor can it change or add what is another’s', async () => {
    const [a, b] = keys;
    expect((await asServer(a.workspaceId, 'UPDATE live SET hash = hash')).rowCount).toBe(1);
    expect((await asServer(a.workspaceId, `DELETE FROM live WHERE workspace_id = '${b.workspaceId}'`)).rowCount).toBe(
      0,
    );
    await expect(
      asServer(a.workspaceId, `INSERT INTO replicas VALUES ('${b.workspaceId}', 'x', 1, 'f')`),
    ).rejects.toThrow(/row-level security/);
  });

  test('[V2] the log takes no change, not even from the administrator of the database', async () => {
    for (const statement of ['UPDATE changes SET hash = hash', 'DELETE FROM changes', 'TRUNCATE changes']) {
      await expect(client.query(statement)).rejects.toThrow(/append-only/);
    }
    await expect(asServer(keys[0].workspaceId, 'DELETE FROM changes')).rejects.toThrow(/permission denied/);
  });

  test('[V5] the server itself works as the role that row-level security binds', async () => {
    const { rows } = await client.query<{ above: boolean; forced: boolean }>(
      `SELECT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = 'stackmemory_app') AS above,
        (SELECT bool_and(relforcerowsecurity AND relrowsecurity) FROM pg_class
          WHERE relname = ANY ($1)) AS forced`,
      [[...tables, 'api_keys', 'accounts', 'invitations']],
    );
    expect(rows).toEqual([{ above: false, forced: true }]);
  });
});
