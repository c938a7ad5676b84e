/**
 * The worker thread in which the database runs. It answers the engine's messages and does upkeep when nobody asks.
 * Separate from the engine's thread, so that a statement that never ends can be ended from there.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { v7 as uuidv7, v4 as uuidv4 } from 'uuid';
import { BrainSession } from '../brain/session.ts';
import { type SmError, toSmError } from '../core/errors.ts';
import { DISK_RESERVE_BYTES } from '../core/limits.ts';
import { toStoreError } from '../store/database.ts';
import { ensureDataDirectory } from '../store/data-directory.ts';
import { freeBytesOf } from '../store/file-errors.ts';
import { isMisplaced, openPlaced } from '../store/placement.ts';
import type { EngineMessage, WorkerMessage, WorkerParameters } from './engine-messages.ts';

/** Upkeep begins after this much quiet; its indexing, where much has been loaded, soon. */
const UPKEEP_AFTER_MS = 2_000;
const INDEX_AFTER_MS = 250;
/** How often this thread looks whether the main thread still runs, and how many times it may find it unmoved. */
const PULSE_CHECK_INTERVAL_MS = 5_000;
const PULSE_CHECKS_MAX = 24;

const port = parentPort;
if (port === null) throw new Error('the brain worker runs as a worker thread only');
const parameters = workerData as WorkerParameters;

const send = (message: WorkerMessage): void => port.postMessage(message);
let quietTimer: NodeJS.Timeout | undefined;
let isClosing = false;

try {
  const { dataDirectory, created } = await ensureDataDirectory(parameters.brainDirectory);
  const store = await openPlaced(dataDirectory);
  const session: BrainSession = await BrainSession.open(store, {
    directory: parameters.brainDirectory,
    nowMs: Date.now,
    createEntryId: (nowMs) => uuidv7({ msecs: nowMs }),
    createReplicaId: uuidv4,
    isMisplaced: () => isMisplaced(store, dataDirectory),
    onWork: (work) => {
      // Said before anything else is begun: whoever waits is to be served by another worker, not refused by this one.
      if (session.poison !== undefined) send({ type: 'poisoned', reason: reasonOf(session.poison) });
      send({ type: 'work', work });
    },
  });
  port.on('message', (message: EngineMessage) => void handle(session, message));
  if (parameters.pulse !== undefined) watchMainThread(parameters.pulse);
  send({ type: 'open', created, migrationsRun: store.migrationsRun });
} catch (error) {
  send({ type: 'failed', error: toStoreError(error).toJSON() });
}

/** What the engine says of the database. */
function reasonOf({ code, message }: SmError): string {
  return code === 'store_restarted' ? `is to be elsewhere: ${message}` : `can no longer be trusted: ${message}`;
}

async function handle(session: BrainSession, message: EngineMessage): Promise<void> {
  clearTimeout(quietTimer);
  if (message.type === 'close') {
    isClosing = true;
    await session.close();
    send({ type: 'closed' });
    port?.close();
    return;
  }
  try {
    const answer = await session.run(message.operation, message.request as never);
    send({ type: 'answer', id: message.id, answer });
  } catch (error) {
    send({ type: 'error', id: message.id, error: toSmError(error).toJSON() });
  }
  clearTimeout(quietTimer);
  quietTimer = setTimeout(() => void whenQuiet(session), INDEX_AFTER_MS);
}

async function whenQuiet(session: BrainSession): Promise<void> {
  await session.indexSoon();
  if (isClosing) return;
  clearTimeout(quietTimer);
  quietTimer = setTimeout(() => void tidyUp(session), UPKEEP_AFTER_MS - INDEX_AFTER_MS);
}

/** Upkeep writes; on a full disk it would fail, and take the reading with it that still works. */
async function tidyUp(session: BrainSession): Promise<void> {
  if (freeBytesOf(parameters.brainDirectory) >= DISK_RESERVE_BYTES) await session.doUpkeep();
}

/** A host whose main thread never moves again serves nobody and holds the lock: it ends. */
function watchMainThread(pulse: Int32Array): void {
  let lastBeat = Atomics.load(pulse, 0);
  let unmoved = 0;
  setInterval(() => {
    const beat = Atomics.load(pulse, 0);
    unmoved = beat === lastBeat ? unmoved + 1 : 0;
    lastBeat = beat;
    if (unmoved >= PULSE_CHECKS_MAX) process.kill(process.pid, 'SIGKILL');
  }, PULSE_CHECK_INTERVAL_MS).unref();
}
