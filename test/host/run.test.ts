/** `sm host run`, as the unit of a box runs it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { announcedHost, hasEnded, kill, newBrainDirectory } from '../support/host-brain.ts';
import { runSm, smProgram } from '../support/host-commands.ts';
import { waitUntil } from '../support/host-wait.ts';

test('[B9] a host stays, whoever ends it, and what is recorded meanwhile is kept', async () => {
  const home = path.dirname(newBrainDirectory());
  const brainDirectory = path.join(home, 'brain');
  const keeper = spawn(process.execPath, [smProgram(), 'host', 'run', '--json'], {
    cwd: home,
    env: { ...process.env, STACKMEMORY_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    keeper.kill();
    await runSm(home, ['host', 'stop', '--force']);
  });
  const told: number[] = [];
  keeper.stdout.on('data', (chunk: Buffer) => told.push((JSON.parse(chunk.toString('utf8')) as { pid: number }).pid));
  await waitUntil('a first host', () => told.length === 1);
  const first = await announcedHost(brainDirectory);
  expect(told).toEqual([first.pid]);
  kill(first.pid);
  await hasEnded(first.pid);
  await waitUntil('a second host', () => told.length === 2);
  expect(told[1]).toBe((await announcedHost(brainDirectory)).pid);
  const recorded = await runSm(home, ['brain', 'record', '--title', 'kept', '--kind', 'note']);
  expect(recorded.exitCode).toBe(0);
  await runSm(home, ['host', 'stop']);
  await waitUntil('a third host', () => told.length === 3);
  expect((await runSm(home, ['brain', 'list'])).stdout).toContain('kept');
  keeper.kill('SIGINT');
  const [code] = (await once(keeper, 'exit')) as [number];
  expect(code).toBe(130);
}, 60_000);
