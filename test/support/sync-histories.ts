/**
 * Histories of a team of brains, drawn by fast-check, and the laws that hold after each: what convergence.test.ts proves
 * and sabotage.test.ts shows to be found out.
 */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Entry } from '../../lib/core/entry.ts';
import { SmError } from '../../lib/core/errors.ts';
import { compareStamps } from '../../lib/core/merge.ts';
import { hashContent } from '../../lib/protocol/hash.ts';
import { type Fate, type LogRow, PROJECT, type SyncWorld } from './sync-world.ts';

export const REPLICAS = 3;
const MINUTE_MS = 60_000;

type Step =
  | { do: 'record'; at: number; title: string }
  | { do: 'edit'; at: number; entry: number; title: string }
  | { do: 'supersede'; at: number; entry: number; by: number }
  | { do: 'retract'; at: number; entry: number }
  | { do: 'resolve'; at: number; entry: number }
  | { do: 'sync'; at: number; fates: Fate[]; crashAt: number | undefined; mode: 'both' | 'push' | 'pull' }
  | { do: 'syncTogether'; at: number; other: number; fates: Fate[] }
  | { do: 'restart'; at: number }
  | { do: 'pass'; ms: number }
  | { do: 'skew'; at: number; ms: number }
  | { do: 'arrive' }
  | { do: 'oldWrite'; entry: number; title: string; isRetry: boolean }
  | { do: 'oldPull' };

const at = fc.nat(REPLICAS - 1);
const entry = fc.nat(5);
const title = fc.constantFrom('a', 'b', 'c', 'd');
const skewMs = fc.constantFrom(0, 0, 0, 400, -400, 4 * MINUTE_MS, 10 * MINUTE_MS, -180 * MINUTE_MS, 300 * MINUTE_MS);
const fate = fc.oneof(
  { weight: 5, arbitrary: fc.constant('arrives' as const) },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Fate>('lost', 'answer lost', 'twice', 'late', 'status 500', 'status 429', 'cut off'),
  },
);
const fates = fc.array(fate, { minLength: 1, maxLength: 5 });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('record' as const), at, title }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constant('edit' as const), at, entry, title }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('supersede' as const), at, entry, by: entry }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('retract' as const), at, entry }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resolve' as const), at, entry }) },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constant('sync' as const),
      at,
      fates,
      crashAt: fc.option(fc.nat(30), { nil: undefined, freq: 2 }),
      mode: fc.constantFrom('both' as const, 'both' as const, 'push' as const, 'pull' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('syncTogether' as const), at, other: at, fates }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 700, 6 * MINUTE_MS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('skew' as const), at, ms: skewMs }) },
  { weight: 1, arbitrary: fc.constant({ do: 'arrive' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('oldWrite' as const), entry, title, isRetry: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ do: 'oldPull' as const }) },
);
export const history = fc.record({
  skewsMs: fc.array(skewMs, { minLength: REPLICAS, maxLength: REPLICAS }),
  pageChanges: fc.constantFrom(1_000, 1, 2),
  steps: fc.array(step, { minLength: 1, maxLength: 16, size: 'max' }),
});

export type History = typeof history extends fc.Arbitrary<infer Drawn> ? Drawn : never;

/** Lives through a history in a workspace of its own, heals, and holds the laws against what is there then. */
export async function liveThrough(world: SyncWorld, { skewsMs, pageChanges, steps }: History): Promise<void> {
  await world.begin(skewsMs, 1);
  world.pageChanges = pageChanges;
  for (const each of steps) await take(world, each);
  await heal(world);
  await checkEquality(world);
  await checkLogs(world);
}

async function take(world: SyncWorld, each: Step): Promise<void> {
  switch (each.do) {
    case 'sync':
      return void (await world.sync(each.at, {
        fates: each.fates,
        plan: { mode: each.mode },
        ...(each.crashAt === undefined ? {} : { crashAt: each.crashAt }),
      }));
    case 'syncTogether':
      return void (await Promise.all([
        world.sync(each.at, { fates: each.fates }),
        world.sync(each.other, { fates: each.fates }),
      ]));
    case 'restart':
      return world.restart(each.at);
    case 'pass':
      return world.passTime(each.ms);
    case 'skew':
      world.replica(each.at).skewMs = each.ms;
      return;
    case 'arrive':
      return world.deliverLate();
    case 'oldWrite':
      return oldWrite(world, each);
    case 'oldPull':
      return void (await world.oldClients[0]?.pull());
    case 'record':
    case 'edit':
    case 'supersede':
    case 'retract':
    case 'resolve':
      return write(world, each);
  }
}

async function write(
  world: SyncWorld,
  each: Extract<Step, { do: 'record' | 'edit' | 'supersede' | 'retract' | 'resolve' }>,
): Promise<void> {
  const { session, acknowledged } = world.replica(each.at);
  const { workspaceId } = world.key;
  const requestId = world.newRequestId();
  const known = await world.entriesOf(each.at);
  const chosen = (number: number): string | undefined => known[number % Math.max(1, known.length)]?.entryId;
  if (each.do === 'record') {
    const scope = { workspaceId, projectId: PROJECT };
    acknowledged.push(
      ...(await session.run('record', { requestId, scope, agent: 'a', drafts: [{ title: each.title }] })),
    );
    return;
  }
  const idOrPrefix = chosen(each.entry);
  if (idOrPrefix === undefined) return;
  const reference = { workspaceId, idOrPrefix };
  try {
    const written = await rewrite();
    acknowledged.push(written);
    const seen = known.find(({ entryId }) => entryId === idOrPrefix);
    const isUnchanged = isDeepStrictEqual(written, seen);
    if (!isUnchanged) expect(written.updatedAt).toBeGreaterThan(seen?.updatedAt ?? 0);
  } catch (error) {
    // Refused by the rules of the words themselves: there is nothing to acknowledge.
    if (!(error instanceof SmError && error.code === 'conflict')) throw error;
  }

  async function rewrite(): Promise<Entry> {
    if (each.do === 'retract') return session.run('retract', { requestId, reference });
    if (each.do === 'resolve') return session.run('resolve', { requestId, reference });
    if (each.do === 'edit') return session.run('edit', { requestId, reference, edit: { title: each.title } });
    const newId = each.do === 'supersede' ? (chosen(each.by) ?? '') : '';
    return (await session.run('supersede', { requestId, workspaceId, oldId: reference.idOrPrefix, newId })).old;
  }
}

async function oldWrite(
  world: SyncWorld,
  { entry: number, title: text, isRetry }: Extract<Step, { do: 'oldWrite' }>,
): Promise<void> {
  const [client] = world.oldClients;
  if (client === undefined) return;
  const known = [...client.entries.values()];
  const nowMs = world.nowMsOf(0);
  const current = known[number % Math.max(1, known.length)];
  client.write(
    current === undefined
      ? newOldEntry(world, text, nowMs)
      : { ...current, title: text, updatedAt: Math.max(nowMs, current.updatedAt + 1) },
  );
  await client.push(isRetry);
  if (isRetry) await client.push();
}

function newOldEntry(world: SyncWorld, text: string, nowMs: number): Entry {
  return {
    entryId: world.newRequestId(),
    workspaceId: '',
    projectId: PROJECT,
    agent: 'old',
    kind: 'note',
    title: text,
    summary: '',
    conclusion: '',
    tags: [],
    refs: [],
    confidence: 0.5,
    status: 'active',
    createdAt: nowMs,
    updatedAt: nowMs,
  };
}

/** The network is well, what was under way arrives, and everybody syncs until there is nothing left to say. */
async function heal(world: SyncWorld): Promise<void> {
  await world.deliverLate();
  await world.oldClients[0]?.push();
  const inTurn = Array.from({ length: REPLICAS }, (_, index) => index);
  // Who comes last has everything; the others come once more, and then there is nothing left for the first.
  for (const index of [...inTurn, ...inTurn.slice(0, -1)]) {
    expect(await world.sync(index)).toMatchObject({ success: true, pending: 0 });
  }
}

async function checkEquality(world: SyncWorld): Promise<void> {
  const digest = await world.digestOfServer();
  const entries = await world.entriesOf(0);
  const conflicts = await world.conflictsOf(0);
  const asOld = entries.map((each) =>
    each.status === 'retracted' ? { ...each, status: 'superseded' as const } : each,
  );
  expect(asOld).toEqual(await world.entriesOfServer());
  for (let index = 0; index < REPLICAS; index += 1) {
    expect(await world.digestOf(index)).toEqual(digest);
    expect(await world.entriesOf(index)).toEqual(entries);
    expect(await world.conflictsOf(index)).toEqual(conflicts);
  }
}

async function checkLogs(world: SyncWorld): Promise<void> {
  const current = new Map((await world.entriesOf(0)).map((each) => [each.entryId, each]));
  const logs: LogRow[][] = [];
  for (let index = 0; index < REPLICAS; index += 1) logs.push(await world.logOf(index));
  for (const [index, log] of logs.entries()) {
    const logged = new Set(log.map(({ entryId, updatedAt }) => `${entryId} ${updatedAt}`));
    for (const { entryId, updatedAt } of world.replica(index).acknowledged) {
      expect(logged).toContain(`${entryId} ${updatedAt}`);
    }
  }
  // The law itself, over every version that anybody still goes by: a retraction is undone by a newer version alone.
  for (const { entryId, updatedAt, hash } of logs.flat().filter(({ isWithdrawn }) => !isWithdrawn)) {
    const winner = current.get(entryId);
    if (winner === undefined) throw new Error(`${entryId} is in a log and nowhere else`);
    const { updatedAt: wonAt, ...content } = winner;
    expect(compareStamps({ updatedAt: wonAt, hash: hashContent(content) }, { updatedAt, hash })).toBeGreaterThanOrEqual(
      0,
    );
  }
}
