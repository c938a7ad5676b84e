/**
 * A power cut at any moment of a host at work: the directory is made anew from what was synced by then (the model is in
 * test/support/host-power-recorder.mjs), opened, and held against what had been acknowledged.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  DIST_DIRECTORY,
  announcedHost,
  connect,
  hasEnded,
  kill,
  newBrainDirectory,
  recordTitle,
  SCOPE,
  titlesIn,
} from '../support/host-brain.ts';
import { cutPower, type JournalRecord, readJournal } from '../support/host-power-cut.ts';
import { createRandom, integer, ROUNDS, SEED } from '../support/host-random.ts';
import { outcomeOf, waitUntil } from '../support/host-wait.ts';
import { numberedTitles } from '../support/host-clients.ts';

const RECORDER = fileURLToPath(new URL('../support/host-power-recorder.mjs', import.meta.url));
const WRITERS = 6;
const ENTRIES = 240;
/** Enough that the log of PostgreSQL goes through several of its files. */
const SUMMARY = 'Not much, but some of it again and again. '.repeat(60);

interface Acknowledgement {
  title: string;
  /** Everything up to here in the journal had happened when the acknowledgement came. */
  journalBytes: number;
}

interface Recording {
  records: JournalRecord[];
  acknowledgements: Acknowledgement[];
}

/** Runs a host under the recorder, writes to it, lets it do its upkeep, and writes again. */
async function recordHost(blind?: string): Promise<Recording> {
  const directory = newBrainDirectory();
  fs.mkdirSync(directory, { mode: 0o700 });
  const journalFile = path.join(path.dirname(directory), 'journal');
  fs.writeFileSync(journalFile, '');
  const child = spawn(
    process.execPath,
    ['--liftoff-only', '--import', RECORDER, path.join(DIST_DIRECTORY, 'host.js'), directory, '60000'],
    {
      stdio: 'ignore',
      cwd: directory,
      env: {
        ...process.env,
        SM_RECORD_ROOT: directory,
        SM_RECORD_JOURNAL: journalFile,
        ...(blind === undefined ? {} : { SM_RECORD_BLIND: blind }),
      },
    },
  );
  await announcedHost(directory);
  const brain = await connect(directory);
  const acknowledgements: Acknowledgement[] = [];
  const waiting = numberedTitles('entry', ENTRIES);
  const write = async (until: number): Promise<void> => {
    while (waiting.length > until) {
      const title = waiting.shift() ?? '';
      await brain.run('record', {
        requestId: crypto.randomUUID(),
        scope: SCOPE,
        agent: 'tester',
        drafts: [{ title, summary: SUMMARY + title }],
      });
      acknowledgements.push({ title, journalBytes: fs.statSync(journalFile).size });
    }
  };
  const writeMany = (until: number): Promise<unknown> =>
    Promise.all(Array.from({ length: WRITERS }, () => write(until)));
  await writeMany(ENTRIES / 2);
  const control = path.join(directory, 'data/global/pg_control');
  const before = fs.statSync(control).mtimeMs;
  if (blind === undefined) {
    await waitUntil('the checkpoint of a quiet host', () => fs.statSync(control).mtimeMs !== before);
  }
  await writeMany(0);
  await brain.close();
  child.kill('SIGKILL');
  await hasEnded(child.pid ?? 0);
  return { records: readJournal(journalFile), acknowledgements };
}

/** What a brain holds after a power cut at `records`, next to what it had to hold. */
async function afterPowerCut(
  recording: Recording,
  recordCount: number,
  survives: () => boolean,
): Promise<{ missing: string[]; repeated: string[]; isSound: boolean }> {
  const directory = newBrainDirectory();
  const records = recording.records.slice(0, recordCount);
  cutPower(records, directory, survives);
  const journalBytes = records.at(-1)?.end ?? 0;
  const brain = await connect(directory);
  const titles = await titlesIn(brain);
  const { isSound } = await brain.run('verify', {});
  await recordTitle(brain, 'afterwards');
  await brain.close();
  const { pid } = await announcedHost(directory);
  kill(pid);
  await hasEnded(pid);
  const found = new Set(titles);
  const promised = recording.acknowledgements.filter((each) => each.journalBytes <= journalBytes);
  return {
    missing: promised.map(({ title }) => title).filter((title) => !found.has(title)),
    repeated: titles.filter((title, index) => titles.indexOf(title) !== index),
    isSound,
  };
}

describe(`with seed ${SEED}`, () => {
  let recording: Recording;

  beforeAll(async () => {
    recording = await recordHost();
  });

  test('[H4] the recording holds what it must: a creation, commits, a checkpoint, several files of the write-ahead log', () => {
    expect(recording.acknowledgements).toHaveLength(ENTRIES);
    const places = recording.records.map(({ fact }) => (fact.kind === 'unsynced' ? '' : fact.place));
    expect(places.some((place) => place.startsWith('data.tmp-'))).toBe(true);
    expect(new Set(places.filter((place) => place.includes('pg_wal/'))).size).toBeGreaterThan(2);
    expect(places.some((place) => place.includes('base/'))).toBe(true);
  });

  test('[H4] after a power cut every acknowledged entry is there, once, and the brain is sound', async () => {
    const random = createRandom(SEED);
    const controls = recording.records.flatMap(({ fact }, index) =>
      fact.kind === 'file' && fact.place.endsWith('pg_control') ? [index, index + 1] : [],
    );
    const moments = [
      recording.records.length,
      ...controls.slice(-2),
      ...Array.from({ length: Math.ceil(ROUNDS / 3) }, () => integer(random, recording.records.length)),
    ];
    for (const moment of moments) {
      const outcome = await afterPowerCut(recording, moment, () => false);
      expect(outcome, `at record ${moment} of ${recording.records.length}`).toEqual({
        missing: [],
        repeated: [],
        isSound: true,
      });
    }
  });

  test('[H4] the same where some of what was not synced has reached the disk, page by page', async () => {
    const random = createRandom(SEED + 1);
    for (let round = 0; round < Math.ceil(ROUNDS / 3); round += 1) {
      const moment = integer(random, recording.records.length);
      const outcome = await afterPowerCut(recording, moment, () => random() < 0.5);
      expect(outcome, `at record ${moment} of ${recording.records.length}`).toEqual({
        missing: [],
        repeated: [],
        isSound: true,
      });
    }
  });

  test('[L6] a power cut during creation leaves nothing or a whole brain', async () => {
    const random = createRandom(SEED + 2);
    const created = recording.records.findIndex(({ fact }) => fact.kind === 'directory' && fact.place === '');
    expect(created).toBeGreaterThan(100);
    for (const moment of [created, integer(random, created)]) {
      const outcome = await afterPowerCut(recording, moment, () => false);
      expect(outcome, `at record ${moment}`).toEqual({ missing: [], repeated: [], isSound: true });
    }
  });
});

test('[H4] were the log of PostgreSQL not synced, this would be seen', async () => {
  const recording = await recordHost('pg_wal');
  const outcome = await outcomeOf(afterPowerCut(recording, recording.records.length, () => false));
  const isSeen =
    'error' in (outcome as object) || (outcome as { value: { missing: string[] } }).value.missing.length > 0;
  expect(isSeen, JSON.stringify(outcome)).toBe(true);
});
