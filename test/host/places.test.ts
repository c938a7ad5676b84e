/** Where the host's socket goes when the brain's own directory is too deep for one, and who may own these places. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSocketPath, ensurePrivateDirectory, placesOf, writeHostInfo } from '../../lib/host/places.ts';
import { announcedHost, connect, hasEnded, newBrainDirectory, recordTitle, titlesIn } from '../support/host-brain.ts';

/** The smallest limit of the systems we run on, less the final NUL: macOS. */
const SYSTEM_SOCKET_PATH_BYTES_MAX = 103;

let runtime: string;

beforeEach(() => {
  runtime = fs.mkdtempSync(path.join(os.tmpdir(), 'sm-run-'));
  vi.stubEnv('XDG_RUNTIME_DIR', runtime);
});

afterEach(() => {
  vi.unstubAllEnvs();
  fs.rmSync(runtime, { recursive: true, force: true });
});

const deep = (directory: string): string =>
  path.join(directory, ...Array.from({ length: 20 }, () => 'deeper-and-deeper'));

test('[H12] a brain in a directory too deep for a socket is served all the same', async () => {
  const directory = deep(newBrainDirectory());
  const brain = await connect(directory);
  await recordTitle(brain, 'deep');
  await brain.close();
  const { socket, pid } = await announcedHost(directory);
  expect(path.dirname(path.dirname(socket))).toBe(runtime);
  expect(fs.statSync(path.dirname(socket)).mode & 0o777).toBe(0o700);
  const again = await connect(directory);
  expect(await titlesIn(again)).toEqual(['deep']);
  await again.close();
  process.kill(pid, 'SIGTERM');
  await hasEnded(pid);
  expect(fs.existsSync(socket)).toBe(false);
});

test('[H12] every socket path fits, and brains of different directories have different ones', () => {
  const nowhere = '/nowhere';
  const paths = [nowhere, deep(nowhere), deep('/elsewhere'), `/${'ä'.repeat(60)}`].map((directory) =>
    createSocketPath(directory, 'nonce'),
  );
  for (const socketPath of paths)
    expect(Buffer.byteLength(socketPath)).toBeLessThanOrEqual(SYSTEM_SOCKET_PATH_BYTES_MAX);
  expect(new Set(paths).size).toBe(paths.length);
  expect(createSocketPath(deep(nowhere), 'another nonce')).toBe(paths[1]);
});

test.each([
  ['is too deep itself', () => deep(runtime)],
  ['is not there', () => path.join(runtime, 'gone')],
])('[H12] a runtime directory that %s is passed over', (_how, makeRuntime) => {
  vi.stubEnv('XDG_RUNTIME_DIR', makeRuntime());
  const socketPath = createSocketPath(deep('/nowhere'), 'nonce');
  expect(socketPath.startsWith(runtime)).toBe(false);
  expect(Buffer.byteLength(socketPath)).toBeLessThanOrEqual(SYSTEM_SOCKET_PATH_BYTES_MAX);
});

test('[H12] a symbolic link in the place of the private directory is refused', () => {
  const elsewhere = path.join(runtime, 'elsewhere');
  fs.mkdirSync(elsewhere, { mode: 0o700 });
  fs.symlinkSync(elsewhere, path.join(runtime, `stackmemory-${process.getuid?.()}`));
  expect(() => createSocketPath(deep('/nowhere'), 'nonce')).toThrow(expect.objectContaining({ code: 'no_permission' }));
});

test('[H10] announcing a host leaves nothing half-written behind', () => {
  const directory = path.join(runtime, 'brain');
  ensurePrivateDirectory(directory);
  const places = placesOf(directory);
  fs.mkdirSync(places.hostInfoFile); // Nothing can be renamed onto a directory.
  expect(() =>
    writeHostInfo(places, { pid: 1, version: '1.0.0', socket: 's', secret: 'x', startedAt: 1, lockId: '1:1' }),
  ).toThrow();
  expect(fs.readdirSync(directory)).toEqual(['host.json']);
});
