/** Realistic records, recorded, exported as lines, imported into another brain: the same, and harmless to repeat. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LoggedChange } from '../../lib/brain/log-contract.ts';
import { EXPORT_FORMAT } from '../../lib/brain/export-format.ts';
import { parseImportLine } from '../../lib/brain/import-lines.ts';
import type { BrainSession } from '../../lib/brain/session.ts';
import { sampleRecords } from '../support/sample-records.ts';
import { digestEntries, openTestSession, type TestSession } from '../support/stores.ts';

const RECORDS = 500;
const SCOPE = { workspaceId: 'w', projectId: 'p' };
const REPLICA_ID = 'aaaaaaaa-0000-4000-8000-000000000000';

let source: TestSession;
let lines: string[];
beforeAll(async () => {
  source = await openTestSession();
  await live(source);
  lines = await exportLines(source.session);
});
afterAll(() => source.dispose());

test('[L14] an export imported into an empty brain gives the same entries to the byte and the same log contents', async () => {
  const target = await openTestSession();
  expect(await importLines(target.session, lines)).toEqual({ applied: lines.length, superseded: 0, duplicate: 0 });
  expect(await digestEntries(target.store.database)).toBe(await digestEntries(source.store.database));
  const [given, taken] = [await readLog(source.session), await readLog(target.session)];
  expect(taken.map(contentOf)).toEqual(given.map(contentOf));
  expect(await target.session.run('verify', {})).toMatchObject({ isSound: true, changes: lines.length });

  expect(await importLines(target.session, lines)).toEqual({ applied: 0, superseded: 0, duplicate: lines.length });
  expect(await readLog(target.session)).toEqual(taken);
  expect(await exportLines(target.session)).toEqual(lines);
  await target.dispose();
});

test('[L14] the lines of an export in any order, cut in two, give the same entries', async () => {
  const target = await openTestSession();
  const backwards = lines.toReversed();
  const half = Math.floor(lines.length / 2);
  const first = await importLines(target.session, backwards.slice(0, half));
  const second = await importLines(target.session, backwards.slice(half));
  const total = first.applied + first.superseded + second.applied + second.superseded;
  expect(total).toBe(lines.length);
  expect(second.superseded + first.superseded).toBeGreaterThan(0);
  expect(await digestEntries(target.store.database)).toBe(await digestEntries(source.store.database));
  await target.dispose();
});

test('[L14] an export imported into the brain that it came from changes nothing', async () => {
  const before = await digestEntries(source.store.database);
  expect(await importLines(source.session, lines)).toEqual({ applied: 0, superseded: 0, duplicate: lines.length });
  expect(await digestEntries(source.store.database)).toBe(before);
  expect(await exportLines(source.session)).toEqual(lines);
});

test('[L2] a brain of realistic records rebuilds to the same bytes', async () => {
  const before = await digestEntries(source.store.database);
  expect(await source.session.run('rebuild', {})).toMatchObject({ repaired: 0 });
  expect(await digestEntries(source.store.database)).toBe(before);
});

/** Records, edits, supersedes and retracts, under a clock that moves on and once goes back. */
async function live({ session, clock }: TestSession): Promise<void> {
  const records = sampleRecords(RECORDS);
  const ids: string[] = [];
  for (let start = 0; start < RECORDS; start += 100) {
    clock.nowMs += start === 300 ? -60_000 : 1_000;
    const drafts = records.slice(start, start + 100);
    const written = await session.run('record', { requestId: randomUUID(), scope: SCOPE, agent: 'tester', drafts });
    ids.push(...written.map(({ entryId }) => entryId));
  }
  const referenceOf = (idOrPrefix = '') => ({ workspaceId: SCOPE.workspaceId, idOrPrefix });
  for (let index = 0; index < 60; index += 3) {
    const requestId = randomUUID();
    await session.run('edit', { requestId, reference: referenceOf(ids[index]), edit: { title: `edited ${index}` } });
    const supersede = {
      requestId: randomUUID(),
      workspaceId: 'w',
      oldId: ids[index + 1] ?? '',
      newId: ids[index] ?? '',
    };
    await session.run('supersede', supersede);
    await session.run('retract', { requestId: randomUUID(), reference: referenceOf(ids[index + 2]) });
  }
}

async function readLog(session: BrainSession): Promise<LoggedChange[]> {
  const changes: LoggedChange[] = [];
  for (let hasMore = true; hasMore;) {
    const page = await session.run('logPage', { afterSeq: changes.length, limit: 77 });
    changes.push(...page.changes);
    ({ hasMore } = page);
  }
  return changes;
}

async function exportLines(session: BrainSession): Promise<string[]> {
  const changes = await readLog(session);
  return changes.map(({ changeId, base, hash, replicaId, entry }) =>
    JSON.stringify({ stackmemory: EXPORT_FORMAT, changeId, base, hash, replicaId, entry }),
  );
}

async function importLines(session: BrainSession, given: string[]) {
  const total = { applied: 0, superseded: 0, duplicate: 0 };
  for (let start = 0; start < given.length; start += 200) {
    const changes = given
      .slice(start, start + 200)
      .map((line) => parseImportLine(line, { scope: SCOPE, fallbackTimeMs: 0 }));
    const result = await session.run('import', { origin: 'import:test', changes });
    total.applied += result.applied;
    total.superseded += result.superseded;
    total.duplicate += result.duplicate;
  }
  return total;
}

/** What the log is about; when and whence a change came is each brain's own. */
function contentOf({ changeId, base, hash, replicaId, entry }: LoggedChange): object {
  expect(replicaId).toBe(REPLICA_ID);
  return { changeId, base, hash, entry };
}
