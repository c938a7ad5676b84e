/**
 * What every change store must do, whichever database it has. Run by change-store-embedded.test.ts and
 * change-store-postgres.test.ts.
 */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, type EntryStamp } from '../../lib/protocol/digest.ts';
import { CHAIN_START, nextChain } from '../../lib/protocol/identity.ts';
import { toStoreRows } from '../../lib/server/change-rows.ts';
import { createSecret, hashSecret } from '../../lib/server/keys.ts';
import type { ChangeStore, StoreEvent, StorePull } from '../../lib/server/store.ts';
import { idOf } from '../support/ids.ts';
import { type ChangeSketch, hashOf, storeChange } from '../support/server-changes.ts';
import { createTestKey } from '../support/server-keys.ts';
import { LogModel, type ModelVersion } from '../support/server-model.ts';

const NOW_MS = Date.UTC(2026, 0, 2);

export function changeStoreContract(
  name: string,
  open: () => Promise<{ store: ChangeStore; stop: () => Promise<void> }>,
): void {
  describe(`${name} store`, () => {
    let store: ChangeStore;
    let stop: () => Promise<void>;
    beforeAll(async () => {
      ({ store, stop } = await open());
    });
    afterAll(() => stop());

    const newWorkspace = async (): Promise<string> => (await createTestKey(store, 'contract')).workspaceId;
    const push = async (workspaceId: string, sketches: Omit<ChangeSketch, 'workspaceId'>[], pusherId = 'r1') => {
      const changes = sketches.map((sketch) => storeChange({ ...sketch, workspaceId }));
      const answer = await store.push({ workspaceId, pusherId, protocol: 2, nowMs: NOW_MS, ...toStoreRows(changes) });
      if (answer.verdict !== 'stored') throw new Error(answer.verdict);
      return answer;
    };
    const pull = (workspaceId: string, part: Partial<StorePull> = {}) =>
      store.pull({ workspaceId, projectId: null, since: 0, limit: 1000, bytesMax: 4e6, currentOnly: false, ...part });

    test('[V13] outcomes are those of the merge law, in the order of the changes', async () => {
      const workspaceId = await newWorkspace();
      const first = await push(workspaceId, [
        { number: 1, title: 'a', updatedAt: 5 },
        { number: 1, title: 'b', updatedAt: 4 },
        { number: 1, title: 'c', updatedAt: 6 },
        { number: 1, title: 'c', updatedAt: 6, salt: 'again' },
        { number: 2, title: 'x', updatedAt: 8.64e15 },
        { number: 1, title: 'a', updatedAt: 5 },
      ]);
      expect(first.outcomes).toEqual(['applied', 'superseded', 'applied', 'duplicate', 'applied', 'duplicate']);
      expect(first.stored).toBe(5);
      const again = await push(workspaceId, [{ number: 1, title: 'c', updatedAt: 6 }]);
      expect(again).toMatchObject({ outcomes: ['duplicate'], stored: 0, lastCursor: first.lastCursor });
    });

    test('[V13] a change id that comes again with other contents is refused', async () => {
      const workspaceId = await newWorkspace();
      const good = storeChange({ number: 1, title: 'a', updatedAt: 5, workspaceId });
      const other = { ...storeChange({ number: 1, title: 'b', updatedAt: 5, workspaceId }), changeId: good.changeId };
      const push1 = { workspaceId, pusherId: 'r', protocol: 2 as const, nowMs: NOW_MS };
      expect(await store.push({ ...push1, ...toStoreRows([good, other]) })).toMatchObject({
        outcomes: ['applied', 'change_id_reused'],
      });
      expect(await store.push({ ...push1, ...toStoreRows([other]) })).toMatchObject({ outcomes: ['change_id_reused'] });
    });

    test('[V13] the same change id in two workspaces is two changes', async () => {
      const [one, two] = [await newWorkspace(), await newWorkspace()];
      const sketch = { number: 1, title: 'a', updatedAt: 5 };
      const change = storeChange({ ...sketch, workspaceId: one });
      await push(one, [sketch]);
      const theirs = { ...storeChange({ ...sketch, workspaceId: two }), changeId: change.changeId };
      const answer = await store.push({
        workspaceId: two,
        pusherId: 'r',
        protocol: 2,
        nowMs: NOW_MS,
        ...toStoreRows([theirs]),
      });
      expect(answer).toMatchObject({ outcomes: ['applied'], stored: 1 });
      expect((await pull(one)).items).toHaveLength(1);
    });

    test('[V13] cursors are microseconds, increase, and go on where the clock goes back', async () => {
      const workspaceId = await newWorkspace();
      await push(workspaceId, [
        { number: 1, title: 'a', updatedAt: 5 },
        { number: 2, title: 'a', updatedAt: 5 },
      ]);
      const changes = [storeChange({ number: 3, title: 'a', updatedAt: 5, workspaceId })];
      await store.push({ workspaceId, pusherId: 'r', protocol: 2, nowMs: NOW_MS - 60_000, ...toStoreRows(changes) });
      const { items, lastCursor } = await pull(workspaceId);
      expect(items.map(({ cursor }) => cursor - NOW_MS * 1000)).toEqual([0, 1, 2]);
      expect(lastCursor).toBe(NOW_MS * 1000 + 2);
      expect(await store.lastCursor(workspaceId)).toBe(lastCursor);
    });

    test('[S23] pushes at once: each found the cursor that the one before it left, and nothing lies between', async () => {
      const workspaceId = await newWorkspace();
      const answers = await Promise.all(
        Array.from({ length: 24 }, (_, number) =>
          push(
            workspaceId,
            Array.from({ length: 1 + (number % 3) }, (__, part) => ({
              number: number * 3 + part,
              title: 'a',
              updatedAt: 5,
            })),
            `r${number % 5}`,
          ),
        ),
      );
      const inOrder = answers.toSorted((one, other) => one.lastCursor - other.lastCursor);
      expect(inOrder.map(({ foundCursor }) => foundCursor)).toEqual([
        0,
        ...inOrder.slice(0, -1).map(({ lastCursor }) => lastCursor),
      ]);
      const { items } = await pull(workspaceId);
      for (const { foundCursor, lastCursor, stored } of answers) {
        expect(items.filter(({ cursor }) => cursor > foundCursor && cursor <= lastCursor)).toHaveLength(stored);
      }
    });

    test('[V4] pulls send exactly the current versions and the unresolved conflicts, page by page', async () => {
      await fc.assert(
        fc.asyncProperty(
          world(),
          fc.array(fc.array(arrival(), { maxLength: 4 }), { maxLength: 8 }),
          fc.integer({ min: 1, max: 4 }),
          async (versions, pushes, limit) => {
            const workspaceId = await newWorkspace();
            const model = new LogModel();
            /** One that pulls after every push, and knows only what it was sent. */
            const follower = new LogModel();
            let since = 0;
            for (const arrivals of pushes) {
              const changes = arrivals.map(({ number, version, salt }) =>
                storeChange({ ...sketchOf(versions, version, number, workspaceId), salt }),
              );
              await store.push({ workspaceId, pusherId: 'r1', protocol: 2, nowMs: NOW_MS, ...toStoreRows(changes) });
              for (const change of changes) model.add(change);
              since = await follow(follower, workspaceId, since, limit);
              expect(follower.live()).toEqual(model.live());
            }
            const fresh = new LogModel();
            await follow(fresh, workspaceId, 0, limit);
            expect(fresh.live()).toEqual(model.live());
            expect((await pull(workspaceId, { currentOnly: true })).items.map(stampOf).sort()).toEqual(
              model.current().map(stampOf).sort(),
            );
          },
        ),
        { numRuns: 100 },
      );
    });

    const follow = async (known: LogModel, workspaceId: string, from: number, limit: number): Promise<number> => {
      let since = from;
      for (let page = 0; page < 100; page += 1) {
        const { items, hasMore, lastCursor } = await pull(workspaceId, { since, limit });
        expect(items.length).toBeLessThanOrEqual(limit);
        for (const item of items) known.add(item);
        since = hasMore ? (items.at(-1)?.cursor ?? NaN) : lastCursor;
        if (!hasMore) return since;
      }
      throw new Error('a pull did not end');
    };

    test('[V4] who holds a version that was replaced meanwhile is told so', async () => {
      const workspaceId = await newWorkspace();
      const versions = [1, 2, 3, 4].map((updatedAt) => ({ number: 1, title: `v${updatedAt}`, updatedAt }));
      const hashes = versions.map((version) => hashOf({ ...version, workspaceId }));
      const chain = versions.map((version, index) => ({ ...version, base: hashes[index - 1] ?? null }));
      const { lastCursor } = await push(workspaceId, chain.slice(0, 2));
      await push(workspaceId, chain.slice(2));
      const [item] = (await pull(workspaceId, { since: lastCursor })).items;
      expect(item).toMatchObject({ base: hashes[2], replaces: [`${hashes[1]}@3`] });
    });

    test('[V4] a page ends before its content is too long, and holds one change at least', async () => {
      const workspaceId = await newWorkspace();
      await push(
        workspaceId,
        [1, 2, 3].map((number) => ({ number, title: 'x'.repeat(400), updatedAt: 5 })),
      );
      expect((await pull(workspaceId, { bytesMax: 1 })).items).toHaveLength(1);
      expect(await pull(workspaceId, { bytesMax: 1 })).toMatchObject({ hasMore: true });
      expect((await pull(workspaceId, { bytesMax: 1_500 })).items).toHaveLength(2);
    });

    test('[V4] own changes are left out where the replica is as it says, and the cursor moves past them', async () => {
      const workspaceId = await newWorkspace();
      const own = storeChange({ number: 1, title: 'own', updatedAt: 5, workspaceId });
      const chain = nextChain(CHAIN_START, { seq: 1, changeId: own.changeId });
      const claim = { seq: 0, chain: CHAIN_START, headSeq: 1, steps: [[1, chain] as [number, string]] };
      const pushed = await store.push({
        workspaceId,
        pusherId: 'me',
        protocol: 2,
        nowMs: NOW_MS,
        ...toStoreRows([own]),
        replica: claim,
      });
      expect(pushed).toMatchObject({ replica: { seq: 1, chain } });
      await push(workspaceId, [{ number: 2, title: 'theirs', updatedAt: 5 }]);
      const mine = await pull(workspaceId, { replica: { replicaId: 'me', seq: 1, chain } });
      expect(mine.items.map(({ entry }) => entry.title)).toEqual(['theirs']);
      for (const replica of [
        { replicaId: 'me', seq: 0, chain: CHAIN_START },
        { replicaId: 'me', seq: 1, chain: 'f'.repeat(64) },
        { replicaId: 'other', seq: 1, chain },
      ]) {
        expect((await pull(workspaceId, { replica })).items).toHaveLength(2);
      }
    });

    test('[S10] [S11] [S12] copies, restored replicas and restored servers are told apart; nothing is stored', async () => {
      const workspaceId = await newWorkspace();
      const changes = [1, 2, 3].map((number) => storeChange({ number, title: 'a', updatedAt: 5, workspaceId }));
      const chains = changes.reduce<string[]>(
        (all, { changeId }, index) => [...all, nextChain(all[index] ?? '', { seq: index + 1, changeId })],
        [CHAIN_START],
      );
      const steps = [1, 2, 3].map((seq): [number, string] => [seq, chains[seq] ?? '']);
      const attempt = (count: number, from: number, replica: Partial<{ chain: string; headSeq: number }> = {}) =>
        store.push({
          workspaceId,
          pusherId: 'r',
          protocol: 2,
          nowMs: NOW_MS,
          ...toStoreRows(changes.slice(from, count)),
          replica: { seq: from, chain: chains[from] ?? '', headSeq: 3, steps: steps.slice(from, count), ...replica },
        });
      expect(await attempt(2, 0)).toMatchObject({ verdict: 'stored', replica: { seq: 2, chain: chains[2] } });
      expect(await attempt(2, 0)).toMatchObject({ verdict: 'stored', stored: 0, replica: { seq: 2 } });
      expect(await attempt(1, 0)).toMatchObject({ verdict: 'stored', stored: 0, replica: { seq: 2 } });
      expect(await attempt(3, 2, { chain: 'f'.repeat(64) })).toMatchObject({ verdict: 'forked' });
      expect(await attempt(3, 0, { chain: 'f'.repeat(64) })).toMatchObject({ verdict: 'stored' });
      expect(await attempt(3, 3, { headSeq: 2 })).toMatchObject({ verdict: 'replica_behind' });
      const ahead = await store.push({
        workspaceId,
        pusherId: 'r',
        protocol: 2,
        nowMs: NOW_MS,
        ...toStoreRows([storeChange({ number: 9, title: 'never', updatedAt: 5, workspaceId })]),
        replica: { seq: 9, chain: 'f'.repeat(64), headSeq: 9, steps: [] },
      });
      expect(ahead).toEqual({ verdict: 'replica_ahead', remembered: { seq: 3, chain: chains[3] } });
      const titles = (await pull(workspaceId)).items.map(({ entry }) => entry.title);
      expect(titles).toEqual(['a', 'a', 'a']);
    });

    test('[V2] a push that fails takes none with it that came at the same moment', async () => {
      const workspaceId = await newWorkspace();
      const attempt = (target: string, number: number) =>
        store.push({
          workspaceId: target,
          pusherId: 'r',
          protocol: 2,
          nowMs: NOW_MS,
          ...toStoreRows([storeChange({ number, title: 'a', updatedAt: 5, workspaceId: target })]),
        });
      const answers = await Promise.allSettled(
        [1, 2, 3, 4, 5, 6].map((number) => attempt(number % 3 === 0 ? 'no such workspace' : workspaceId, number)),
      );
      expect(answers.map(({ status }) => status)).toEqual(
        [1, 2, 3, 4, 5, 6].map((number) => (number % 3 === 0 ? 'rejected' : 'fulfilled')),
      );
      expect((await pull(workspaceId)).items).toHaveLength(4);
      await store.ping();
    });

    test('[V13] digests are those of the stamps, and parts make up their range', async () => {
      const workspaceId = await newWorkspace();
      const numbers = [1, 2, 3, 4, 5, 6, 7];
      await push(
        workspaceId,
        numbers.map((number) => ({ number, title: 'a', updatedAt: number })),
      );
      const stamps = numbers.map((number): EntryStamp => [
        idOf(number),
        number,
        hashOf({ number, title: 'a', updatedAt: number, workspaceId }),
      ]);
      const read = (from: string, to: string | null, parts: number, stampsMax = 0) =>
        store.digest({ workspaceId, projectId: null, ranges: [{ from, to }], parts, stampsMax });
      const whole = await read('', null, 1, 7);
      expect(whole.parts).toEqual([{ range: 0, firstId: idOf(1), count: 7, hash: digestOf(stamps), stamps }]);
      const parted = await read(idOf(2), idOf(7), 3);
      expect(parted.parts.map(({ count }) => count)).toEqual([2, 2, 1]);
      expect(parted.parts.map(({ firstId }) => firstId)).toEqual([idOf(2), idOf(4), idOf(6)]);
      expect(parted.parts.map(({ hash }) => hash)).toEqual([
        digestOf(stamps.slice(1, 3)),
        digestOf(stamps.slice(3, 5)),
        digestOf(stamps.slice(5, 6)),
      ]);
      expect((await read('f', null, 4)).parts).toEqual([]);
      const project = { workspaceId, projectId: 'elsewhere', ranges: [{ from: '', to: null }], parts: 1, stampsMax: 0 };
      expect((await store.digest(project)).parts).toEqual([]);
    });

    test('[V13] the history holds every version, whole or by entry, in pages', async () => {
      const workspaceId = await newWorkspace();
      await push(workspaceId, [
        { number: 1, title: 'a', updatedAt: 5 },
        { number: 2, title: 'b', updatedAt: 5 },
        { number: 1, title: 'older', updatedAt: 4 },
      ]);
      const read = (entryIds: string[] | null, limit: number, since = 0, until = Number.MAX_SAFE_INTEGER) =>
        store.history({ workspaceId, entryIds, since, until, limit, bytesMax: 4e6 });
      const all = await read(null, 10);
      expect(all.items.map(({ entry, outcome }) => [entry.title, outcome])).toEqual([
        ['a', 'applied'],
        ['b', 'applied'],
        ['older', 'superseded'],
      ]);
      expect(all.items[0]).toMatchObject({ receivedAt: NOW_MS, claimedAt: null });
      expect((await read([idOf(1)], 10)).items.map(({ entry }) => entry.title)).toEqual(['a', 'older']);
      const page = await read(null, 1);
      expect(page).toMatchObject({ hasMore: true });
      const rest = await read(null, 10, page.items[0]?.cursor, (page.items[0]?.cursor ?? 0) + 1);
      expect(rest.items.map(({ entry }) => entry.title)).toEqual(['b']);
    });

    test('[V13] watchers hear of moved cursors and revoked keys, until they stop', async () => {
      const key = await createTestKey(store, 'watched');
      const heard: StoreEvent[] = [];
      let wake = (): void => undefined;
      const unwatch = store.watch((event) => {
        heard.push(event);
        wake();
      });
      const hear = async (isIt: (event: StoreEvent) => boolean): Promise<void> => {
        while (!heard.some(isIt)) await new Promise<void>((resolve) => (wake = resolve));
      };
      const { lastCursor } = await push(key.workspaceId, [{ number: 1, title: 'a', updatedAt: 5 }]);
      await hear(
        (event) => event.kind === 'cursor' && event.cursor === lastCursor && event.workspaceId === key.workspaceId,
      );
      expect(await store.revokeKey(key.prefix, NOW_MS)).toBe(true);
      await hear((event) => event.kind === 'revoked' && event.prefix === key.prefix);
      unwatch();
      const heardSoFar = heard.length;
      await push(key.workspaceId, [{ number: 2, title: 'a', updatedAt: 5 }]);
      await store.lastCursor(key.workspaceId);
      expect(heard).toHaveLength(heardSoFar);
    });

    test('[V6] keys are found by their hash alone, with their revocation', async () => {
      const key = await createTestKey(store, 'keys');
      const hash = hashSecret(key.apiKey);
      expect(await store.findKey(hash, NOW_MS)).toEqual({
        prefix: key.prefix,
        workspaceId: key.workspaceId,
        projectId: key.projectId,
        workspaceName: 'keys',
        hash,
        isRevoked: false,
      });
      expect(await store.findKey(hashSecret('sm_other'), NOW_MS)).toBeUndefined();
      expect(await store.revokeKey(key.prefix, NOW_MS)).toBe(true);
      expect(await store.revokeKey(key.prefix, NOW_MS)).toBe(false);
      expect(await store.findKey(hash, NOW_MS)).toMatchObject({ isRevoked: true });
      const listed = (await store.listKeys()).find(({ prefix }) => prefix === key.prefix);
      expect(listed).toMatchObject({ revokedAt: NOW_MS, lastUsedAt: NOW_MS });
    });

    test('[V6] a key that cannot be stored leaves no workspace behind that was made for it', async () => {
      const { hash, prefix } = createSecret('sm', () => crypto.getRandomValues(new Uint8Array(40)));
      const make = (name: string) => {
        const workspace = { workspaceId: randomUUID(), projectId: randomUUID(), name };
        return store.createKey(
          { hash, prefix, workspaceId: workspace.workspaceId, name: 'k', nowMs: NOW_MS },
          workspace,
        );
      };
      await make('first of its key');
      await expect(make('second of its key')).rejects.toThrow();
      const names = (await store.listWorkspaces()).map(({ name }) => name);
      expect(names).toContain('first of its key');
      expect(names).not.toContain('second of its key');
    });

    test('[V7] of two who sign up with one address at once, one gets the workspace', async () => {
      const email = `${randomUUID()}@example.org`;
      const attempt = async (number: number) =>
        store.signUp({
          email,
          nowMs: NOW_MS,
          key: createSecret('sm', () => crypto.getRandomValues(new Uint8Array(40))),
          workspace: { workspaceId: randomUUID(), projectId: `project-${number}`, name: 'n' },
          isInvitationNeeded: false,
        });
      const answers = await Promise.all([1, 2, 3, 4].map(attempt));
      expect(answers.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
      expect(answers.filter(({ outcome }) => outcome === 'exists')).toHaveLength(3);
      expect(new Set(answers.map((answer) => 'workspaceId' in answer && answer.workspaceId)).size).toBe(1);
      const account = await store.findAccount(email);
      expect((await store.listKeys()).filter((key) => key.email === email)).toHaveLength(1);
      expect(answers).toContainEqual({ outcome: 'created', ...account });
    });

    test('[S12] a renewed epoch is told by every answer from then on', async () => {
      const workspaceId = await newWorkspace();
      const before = await store.readEpoch();
      expect((await pull(workspaceId)).epoch).toBe(before);
      await store.renewEpoch('another');
      expect((await pull(workspaceId)).epoch).toBe('another');
      expect((await push(workspaceId, [])).epoch).toBe('another');
      await store.renewEpoch(before);
    });
  });
}

/** A version of the world: its number is its time, its ancestry lies before it, as the clock rule has it. */
interface WorldVersion {
  base: number | null;
  named: number[];
}

const VERSIONS = 6;
/** Fewer than versions, so that a content comes back at a later time. */
const CONTENTS = 4;

/** The versions of an entry that there are anywhere. A brain may lack any of them when it writes another. */
function world(): fc.Arbitrary<WorldVersion[]> {
  const version = fc.record({
    base: fc.option(fc.nat(VERSIONS - 1)),
    named: fc.uniqueArray(fc.nat(VERSIONS - 1), { maxLength: 2 }),
  });
  return fc.array(version, { minLength: VERSIONS, maxLength: VERSIONS }).map((versions) =>
    versions.map(({ base, named }, index) => ({
      base: base !== null && base < index ? base : null,
      named: named.filter((other) => other < index),
    })),
  );
}

/** Which version arrives, of which of two entries; sometimes by another hand. */
function arrival(): fc.Arbitrary<{ number: number; version: number; salt: string }> {
  return fc.record({ number: fc.nat(1), version: fc.nat(VERSIONS - 1), salt: fc.constantFrom('', 'again') });
}

function sketchOf(versions: WorldVersion[], index: number, number: number, workspaceId: string): ChangeSketch {
  const plain = (version: number) => ({ number, title: `v${version % CONTENTS}`, updatedAt: version + 1, workspaceId });
  const { base = null, named = [] } = versions[index] ?? {};
  return {
    ...plain(index),
    base: base === null ? null : hashOf(plain(base)),
    replaces: named.map((other) => hashOf(plain(other))),
  };
}

function stampOf({ entry, hash }: Pick<ModelVersion, 'entry' | 'hash'>): string {
  return `${entry.entryId} ${entry.updatedAt} ${hash}`;
}
