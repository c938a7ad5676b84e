/** The engine with a worker that hangs, crashes and lies on request: every request ends, and no two workers live at once. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { BrainEngine, type Deadlines } from '../../lib/host/engine.ts';
import { newBrainDirectory } from '../support/host-brain.ts';
import { outcomeOf, waitUntil } from '../support/host-wait.ts';

const WORKER_FILE = fileURLToPath(new URL('../support/host-fake-worker.mjs', import.meta.url));
const DEADLINE_MS = 100;

type Fake = 'answer' | 'spin' | 'spin silently' | 'refuse' | 'poisoned' | 'crash' | 'exit' | 'say nothing';

const engines: BrainEngine[] = [];

afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
});

function startEngine(): {
  engine: BrainEngine;
  directory: string;
  lives: () => string[];
  ask: (fake: Fake) => Promise<unknown>;
} {
  const directory = newBrainDirectory();
  fs.mkdirSync(directory);
  const deadlinesMs: Partial<Deadlines> = { status: DEADLINE_MS, verify: 60_000 };
  const engine = new BrainEngine({ brainDirectory: directory, workerFile: WORKER_FILE, deadlinesMs });
  engines.push(engine);
  return {
    engine,
    directory,
    lives: () => fs.readFileSync(path.join(directory, 'lives'), 'utf8').trimEnd().split('\n'),
    ask: (fake) => outcomeOf(engine.run('status', { fake } as never)),
  };
}

const answered = { value: expect.objectContaining({ fake: 'answer' }) as unknown };
const restarted = { error: 'store_restarted' };

test.each<Fake>(['spin', 'spin silently', 'say nothing', 'crash', 'exit'])(
  '[H7] a worker that does "%s" is replaced, and the next request is served by another',
  async (fake) => {
    const { engine, ask, lives } = startEngine();
    expect(await ask('answer')).toEqual(answered);
    expect(await Promise.all([ask(fake), ask(fake), ask(fake)])).toEqual([restarted, restarted, restarted]);
    expect(engine.restarts).toBe(1);
    expect(await ask('answer')).toEqual(answered);
    expect(lives()).toHaveLength(2);
    expect(lives().filter((life) => !life.endsWith(' alone'))).toEqual([]);
  },
);

test('[H7] what waits behind an operation that hangs ends with it, each within the deadline of the first', async () => {
  const { engine, ask } = startEngine();
  await ask('answer');
  const started = performance.now();
  const long = outcomeOf(engine.run('verify', { fake: 'answer' } as never));
  const outcomes = await Promise.all([ask('spin'), ...Array.from({ length: 20 }, () => ask('answer'))]);
  expect(outcomes).toEqual(outcomes.map(() => restarted));
  expect(await long).toEqual(answered);
  expect(performance.now() - started).toBeLessThan(30_000);
});

test('[H7] a database that can no longer be trusted is replaced; who was refused knows why, who waited is asked to repeat', async () => {
  const { engine, ask, lives } = startEngine();
  await ask('answer');
  const first = ask('poisoned');
  const waiting = [ask('say nothing'), ask('say nothing')];
  expect(await first).toEqual({ error: 'disk_full' });
  expect(await Promise.all(waiting)).toEqual([restarted, restarted]);
  expect(await ask('answer')).toEqual(answered);
  expect(engine.restarts).toBe(1);
  expect(lives().filter((life) => !life.endsWith(' alone'))).toEqual([]);
});

test('[H7] a refusal is no reason to replace anything, and a quiet worker is left in peace past every deadline', async () => {
  const { engine, ask, lives } = startEngine();
  expect(await ask('refuse')).toEqual({ error: 'not_found' });
  const quietUntil = performance.now() + DEADLINE_MS * 12;
  await waitUntil('a while of quiet', () => performance.now() > quietUntil);
  expect(await ask('answer')).toEqual(answered);
  expect(engine.restarts).toBe(0);
  expect(lives()).toHaveLength(1);
});

test('[H7] a database that does not open says why to all who wait, and is tried again by the next', async () => {
  const { ask, directory, lives } = startEngine();
  const failing = path.join(directory, 'fail-to-open');
  fs.writeFileSync(failing, '');
  const damaged = { error: 'store_damaged' };
  expect(await Promise.all([ask('answer'), ask('answer')])).toEqual([damaged, damaged]);
  fs.rmSync(failing);
  expect(await ask('answer')).toEqual(answered);
  expect(lives()).toHaveLength(2);
  expect(lives().filter((life) => !life.endsWith(' alone'))).toEqual([]);
});

test.each<Fake>(['answer', 'say nothing', 'crash', 'exit', 'poisoned'])(
  '[H7] closing while a worker is asked to "%s" leaves no request open and no thread alive',
  async (fake) => {
    const { engine, ask, directory } = startEngine();
    await ask('answer');
    const underWay = [ask(fake), ask('answer'), ask(fake)];
    await engine.close();
    for (const outcome of await Promise.all(underWay)) expect(outcome).toBeDefined();
    const after = startEngineIn(directory);
    expect(await outcomeOf(after.run('status', { fake: 'answer' } as never))).toEqual(answered);
    const lives = fs.readFileSync(path.join(directory, 'lives'), 'utf8');
    expect(lives).not.toContain('NOT ALONE');
  },
);

function startEngineIn(directory: string): BrainEngine {
  const engine = new BrainEngine({ brainDirectory: directory, workerFile: WORKER_FILE });
  engines.push(engine);
  return engine;
}
