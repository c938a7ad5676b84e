/**
 * Hosts that are killed at random moments of everything they do. Afterwards the brain opens, is sound, and holds every
 * acknowledged entry exactly once.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Brain } from '../../lib/brain/contract.ts';
import {
  announcedHost,
  connect,
  hasEnded,
  hostProcessesOf,
  kill,
  newBrainDirectory,
  recordTitle,
  SCOPE,
  titlesIn,
} from '../support/host-brain.ts';
import { type Client, numberedTitles, startClient } from '../support/host-clients.ts';
import { createRandom, integer, ROUNDS, SEED } from '../support/host-random.ts';
import { waitUntil } from '../support/host-wait.ts';

/** Of one request; five of them bring a vacuum with the next quiet. */
const BATCH_ENTRIES = 420;

const clients: Client[] = [];

afterEach(async () => {
  for (const { process: child } of clients) child.kill('SIGKILL');
  await Promise.all(clients.splice(0).map(({ ended }) => ended));
});

function start(job: Parameters<typeof startClient>[0]): Client {
  const client = startClient(job);
  clients.push(client);
  return client;
}

/** Kills the process a random number of milliseconds from now: that number is the moment, nothing waits for it to pass. */
function killSoon(pid: number, random: () => number, msMax: number): Promise<true> {
  setTimeout(() => kill(pid), random() * msMax);
  return hasEnded(pid);
}

/** What a brain must be after anything: sound, with every promised title, and none twice. */
async function expectIntact(brain: Brain, promised: string[], what: string): Promise<string[]> {
  const titles = await titlesIn(brain);
  const found = new Set(titles);
  expect(found.size, `${what}: entries that are there twice`).toBe(titles.length);
  expect(
    promised.filter((title) => !found.has(title)),
    `${what}: promised and lost`,
  ).toEqual([]);
  expect(await brain.run('verify', {}), what).toMatchObject({ isSound: true });
  return titles;
}

describe(`with seed ${SEED}`, () => {
  test('[H3] hosts killed under load, round after round, lose nothing that was acknowledged and do nothing twice', async () => {
    const random = createRandom(SEED);
    const directory = newBrainDirectory();
    const writers = ['anna', 'bert', 'cleo'].map((name) =>
      start({ directory, titles: numberedTitles(name, 20_000), inFlight: 4, summary: 'x'.repeat(2_000) }),
    );
    const acknowledged = (): string[] => writers.flatMap((writer) => writer.acknowledged);
    let brain: Brain | undefined;
    for (let round = 0; round < ROUNDS; round += 1) {
      const target = acknowledged().length + 1 + integer(random, 60);
      await waitUntil('acknowledgements', () => acknowledged().length >= target);
      const { pid } = await announcedHost(directory);
      await killSoon(pid, random, 40);
      const promised = acknowledged();
      brain ??= await connect(directory);
      await expectIntact(brain, promised, `round ${round}`);
    }
    expect(writers.flatMap(({ errors }) => errors)).toEqual([]);
    for (const { process: child } of writers) child.kill('SIGKILL');
    await Promise.all(writers.map(({ ended }) => ended));
    if (brain === undefined) return;
    const titles = await expectIntact(brain, acknowledged(), 'at the end');
    // What was under way when a writer was killed may be there; nothing else that was not acknowledged is.
    expect(titles.length - acknowledged().length).toBeLessThanOrEqual(writers.length * 4);
    await brain.close();
  });

  test('[L6] hosts killed while they create the brain leave nothing or a whole one, and the caller is served', async () => {
    const random = createRandom(SEED + 1);
    const phases: ((directory: string) => unknown)[] = [
      () => true,
      (directory) => fs.readdirSync(directory).some((name) => name.startsWith('data.tmp-')),
      (directory) => fs.existsSync(path.join(directory, 'data')),
    ];
    for (let round = 0; round < Math.ceil(ROUNDS / 5); round += 1) {
      const directory = newBrainDirectory();
      const client = start({ directory, titles: ['the first'] });
      // Kill it in one phase after another; the caller knows nothing of it.
      for (const phase of phases) {
        const pid = await waitUntil('a host in that phase', () => {
          const [found] = hostProcessesOf(directory);
          return found !== undefined && phase(directory) === true && found;
        });
        await killSoon(pid, random, 60);
      }
      expect(await client.ended, client.errors.join('\n')).toBe(0);
      const brain = await connect(directory);
      expect(await expectIntact(brain, client.acknowledged, `round ${round}`)).toEqual(['the first']);
      expect(fs.readdirSync(directory).filter((name) => name.startsWith('data.tmp-'))).toEqual([]);
      await brain.close();
    }
  });

  test('[H3] hosts killed while they open, recover and shut down lose nothing', async () => {
    const random = createRandom(SEED + 2);
    const directory = newBrainDirectory();
    const promised: string[] = [];
    for (let round = 0; round < Math.ceil(ROUNDS / 2); round += 1) {
      const brain = await connect(directory);
      const title = `round ${String(round).padStart(3, '0')}`;
      await recordTitle(brain, title);
      promised.push(title);
      await brain.close();
      const { pid } = await announcedHost(directory);
      if (round % 2 === 0) process.kill(pid, 'SIGTERM');
      else kill(pid);
      await killSoon(pid, random, 30);
      // The next one is killed before it has opened the database; it recovers from the crash of the one before.
      const hurried = start({ directory, titles: [] });
      const opening = await waitUntil('the next host', () => hostProcessesOf(directory)[0]);
      await killSoon(opening, random, 500);
      await hurried.ended;
    }
    const brain = await connect(directory);
    expect(await expectIntact(brain, promised, 'at the end')).toEqual(promised);
    await brain.close();
  });

  test('[H3] hosts killed during checkpoint and vacuum lose nothing', async () => {
    const random = createRandom(SEED + 3);
    const directory = newBrainDirectory();
    const promised: string[] = [];
    const brain = await connect(directory);
    for (let round = 0; round < Math.ceil(ROUNDS / 4); round += 1) {
      for (let batch = 0; batch < 5; batch += 1) {
        const titles = numberedTitles(`round ${round}/${batch}`, BATCH_ENTRIES);
        await brain.run('record', {
          requestId: randomUUID(),
          scope: SCOPE,
          agent: 'tester',
          drafts: titles.map((title) => ({ title })),
        });
        promised.push(...titles);
      }
      const { pid } = await announcedHost(directory);
      await firstChangeIn(['base/5', 'global', 'pg_wal', 'pg_xact'].map((name) => path.join(directory, 'data', name)));
      await killSoon(pid, random, 250);
      await expectIntact(brain, promised, `round ${round}`);
    }
    await brain.close();
  });

  test('[H5] a host killed during large imports: every batch is there whole, once', async () => {
    const random = createRandom(SEED + 4);
    const directory = newBrainDirectory();
    const brain = await connect(directory);
    for (let round = 0; round < Math.ceil(ROUNDS / 5); round += 1) {
      const imports = Array.from({ length: 3 }, () =>
        brain.run('import', {
          origin: `import:${round}`,
          changes: Array.from({ length: 500 }, () => change(`round ${round}`)),
        }),
      );
      const { pid } = await announcedHost(directory);
      await killSoon(pid, random, 800);
      for (const result of await Promise.all(imports)) expect(result.applied + result.duplicate).toBe(500);
      const report = await brain.run('verify', {});
      expect(report).toMatchObject({ isSound: true, changes: 1_500 * (round + 1), entries: 1_500 * (round + 1) });
    }
    await brain.close();
  });
});

/** Resolves when PostgreSQL first touches a file in one of `directories`: a quiet host does so only for its upkeep. */
async function firstChangeIn(directories: string[]): Promise<void> {
  const watchers: fs.FSWatcher[] = [];
  await new Promise<void>((resolve) => {
    for (const directory of directories) watchers.push(fs.watch(directory, () => resolve()));
  });
  for (const watcher of watchers) watcher.close();
}

function change(title: string): { changeId: string; base: null; replicaId: string; entry: unknown } {
  return {
    changeId: randomUUID(),
    base: null,
    replicaId: 'elsewhere',
    entry: {
      entryId: randomUUID(),
      ...SCOPE,
      agent: 'importer',
      kind: 'note',
      title,
      summary: 'y'.repeat(500),
      conclusion: '',
      tags: ['bulk'],
      refs: [],
      confidence: 0.5,
      status: 'active',
      createdAt: 1_700_000_000_000,
      updatedAt: 1_700_000_000_000,
    },
  };
}
