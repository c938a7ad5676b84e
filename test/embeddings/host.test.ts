/** Embeddings as a user has them: the command line, the host, a configuration, and a server over a real socket. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { RecallHit } from '../../lib/brain/recall-contract.ts';
import { embeddingServer } from '../support/embedding-server.ts';
import { announcedHost, kill, newBrainDirectory } from '../support/host-brain.ts';
import { smProgram } from '../support/host-commands.ts';

const ENTRIES = 400;
const PATIENT = { timeout: 40_000, interval: 200 };
const run = promisify(execFile);

interface Status {
  state: string | null;
  vectors: number;
  changesLeft: number | null;
  failure: string | null;
}

function newUser() {
  const directory = newBrainDirectory();
  const home = path.dirname(directory);
  const env = { ...process.env, STACKMEMORY_HOME: home, PROVENANT_PROJECT_ID: 'p', PROVENANT_WORKSPACE_ID: '' };
  const sm = async (...words: string[]): Promise<string> =>
    (await run(process.execPath, [smProgram(), ...words], { cwd: home, env })).stdout;
  onTestFinished(async () => void (await sm('host', 'stop', '--force')));
  const status = async () => JSON.parse(await sm('embeddings', 'status', '--json')) as Status;
  const recall = async (query: string) =>
    (JSON.parse(await sm('brain', 'recall', query, '--json')) as RecallHit[]).map(({ title }) => title);
  return { directory, home, sm, status, recall };
}

function lines(): string {
  const word = (seed: number) =>
    Array.from({ length: 8 }, (_, place) => String.fromCodePoint(97 + ((seed * (place + 3) + place * 5) % 26))).join(
      '',
    );
  const others = Array.from({ length: ENTRIES }, (_, index) => ({
    title: `${word(index)}${index} ${word(index * 3)}`,
  }));
  return [...others, { title: 'swift automobile' }].map((entry) => JSON.stringify(entry)).join('\n');
}

test('[R34] [R30] turned on, a running host makes vectors and finds by meaning; turned off it finds by words', async () => {
  await using server = await embeddingServer();
  const { home, sm, status, recall } = newUser();
  fs.writeFileSync(path.join(home, 'entries.jsonl'), lines());
  await sm('brain', 'import', 'entries.jsonl');
  expect(await recall('quick car')).toEqual([]);
  await sm('embeddings', 'on', '--url', server.url, '--model', 'plain', '--timeout', '5000');
  await vi.waitFor(async () => expect(await status()).toMatchObject({ state: 'ready', changesLeft: 0 }), PATIENT);
  expect((await status()).vectors).toBe(ENTRIES + 1);
  expect(await recall('quick car')).toEqual(['swift automobile']);
  expect(await sm('brain', 'context', 'quick car')).toContain('swift automobile');
  await sm('brain', 'record', '--title', 'the vessel sinks');
  await vi.waitFor(async () => expect(await recall('boat')).toEqual(['the vessel sinks']), PATIENT);
  expect(await sm('brain', 'recall', 'boat', '--explain')).toContain('meaning');
  await sm('embeddings', 'off');
  await vi.waitFor(async () => expect(await recall('quick car')).toEqual([]), PATIENT);
  expect(fs.readFileSync(path.join(home, 'config.json'), 'utf8')).not.toContain('embeddings');
});

test('[R32] hosts that are killed again and again while vectors are made lose no entry and no vector', async () => {
  await using server = await embeddingServer();
  server.behave({ delayMs: 40 });
  const { directory, home, sm, status, recall } = newUser();
  fs.writeFileSync(path.join(home, 'entries.jsonl'), lines());
  await sm('brain', 'import', 'entries.jsonl');
  await sm('embeddings', 'on', '--url', server.url, '--model', 'plain', '--timeout', '5000');
  let furthest = 0;
  for (let round = 0; round < 4; round += 1) {
    const { pid } = await announcedHost(directory);
    const { texts } = server;
    const before = texts.length;
    await vi.waitFor(() => expect(texts.length).toBeGreaterThan(before), PATIENT);
    kill(pid);
    const { vectors } = await status();
    // What was committed stays; nothing begins anew.
    expect(vectors).toBeGreaterThanOrEqual(furthest);
    furthest = vectors;
  }
  await vi.waitFor(async () => expect(await status()).toMatchObject({ state: 'ready', changesLeft: 0 }), PATIENT);
  expect((await status()).vectors).toBe(ENTRIES + 1);
  expect(await recall('quick car')).toEqual(['swift automobile']);
  expect(JSON.parse(await sm('doctor', '--json'))).toMatchObject({ ok: true });
});

test('[R31] with an address that is gone every command answers as before', async () => {
  const server = await embeddingServer();
  const { home, sm, status, recall } = newUser();
  fs.writeFileSync(path.join(home, 'entries.jsonl'), lines());
  await sm('brain', 'import', 'entries.jsonl');
  await sm('embeddings', 'on', '--url', server.url, '--model', 'plain');
  await vi.waitFor(async () => expect((await status()).state).toBe('ready'), PATIENT);
  await server[Symbol.asyncDispose]();
  await sm('brain', 'record', '--title', 'quick car');
  expect(await recall('quick car')).toContain('quick car');
  await vi.waitFor(async () => expect(await status()).toMatchObject({ state: 'failing' }), PATIENT);
  expect((await status()).failure).toContain('did not answer');
  await sm('host', 'stop');
  expect(await recall('quick car')).toEqual(['quick car']);
});
