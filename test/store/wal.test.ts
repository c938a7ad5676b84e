import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestSession, type TestSession } from '../support/stores.ts';

/** Random text is all rare words and does not compress: the log of PostgreSQL grows by ten times what is written. */
const TEXT_CHARACTERS = 60_000;
const REQUESTS = 16;
const DRAFTS = 5;
/** 32 MiB is where a checkpoint is due; what is written until it is noticed, and the checkpoint itself, come on top. */
const WAL_BYTES_MAX = 80 * 1024 * 1024;

let opened: TestSession;

beforeAll(async () => {
  opened = await openTestSession();
});

afterAll(() => opened.dispose());

function walBytes(): number {
  const directory = path.join(opened.dataDirectory, 'pg_wal');
  return fs.readdirSync(directory).reduce((sum, name) => sum + fs.statSync(path.join(directory, name)).size, 0);
}

/** All that has ever been written to the log of PostgreSQL. */
async function writtenBytes(): Promise<number> {
  const { rows } = await opened.store.client.query<{ bytes: string }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bytes`,
  );
  return Number(rows[0]?.bytes);
}

function randomText(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array((TEXT_CHARACTERS * 3) / 4))).toString('base64');
}

test(
  '[L12] the log of PostgreSQL stays bounded while much is written, and shrinks when there is quiet',
  { timeout: 240_000 },
  async () => {
    let greatest = 0;
    for (let count = 0; count < REQUESTS; count += 1) {
      await opened.session.run('record', {
        requestId: crypto.randomUUID(),
        scope: { workspaceId: '', projectId: 'wal' },
        agent: 'test',
        drafts: Array.from({ length: DRAFTS }, () => ({
          title: 'Much',
          summary: randomText(),
          conclusion: randomText(),
        })),
      });
      greatest = Math.max(greatest, walBytes());
    }
    const written = await writtenBytes();
    expect(written, `greatest ${greatest}`).toBeGreaterThan(1.25 * WAL_BYTES_MAX);
    expect(greatest).toBeLessThan(WAL_BYTES_MAX);
    // Upkeep waits its turn: what follows the last commit may still be under way.
    await expect
      .poll(() => opened.session.doUpkeep().then(walBytes), { timeout: 30_000 })
      .toBeLessThan(8 * 1024 * 1024);
  },
);
