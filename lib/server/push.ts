/**
 * A push from its first byte to its answer, in both protocols: read here or in another thread (readers.ts), stored in its
 * turn, and the store's verdicts told. Invariant: pushes of one client are stored in the order in which they began to
 * come, whichever was read sooner, and one after the other: each tells what it believes was taken before it.
 */
import { SmError } from '../core/errors.ts';
import type { PackedBody } from '../protocol/body.ts';
import type { PushAnswer1, PushAnswer2, PushResult } from '../protocol/wire.ts';
import type { Caller, ServerContext } from './context.ts';
import type { ReadPush1, ReadPush2 } from './push-reading.ts';
import type { Readers } from './readers.ts';
import type { StoreOutcome, StorePushAnswer } from './store.ts';
import type { Turn, Turns } from './turns.ts';

/** A body that has not come whole after so many milliseconds loses its turn to those that have, and goes behind them. */
const BODY_PATIENCE_MS = 5_000;

/**
 * Turns of the loop of events that a large push leaves to what has come meanwhile: an embedded store does not return to
 * the loop before it has stored it, and no thread reads what nobody has taken in.
 */
const LET_IN_TURNS = 20;

export type PushAnswer = { protocol: 1; answer: PushAnswer1 } | { protocol: 2; answer: PushAnswer2 };

/** A push that has begun to come. It has to be ended, whatever becomes of it. */
export interface ComingPush {
  /** Its body has come whole. @returns when those that came before it have been read */
  bodyCame(): Turn['come'];
  end(): void;
}

/** @param from whose it is, as far as a request tells that before its key is looked up */
export function beginPush(turns: Turns, from: string): ComingPush {
  const name = `reading ${from}`;
  let turn = turns.take(name);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    turn.end();
  }, BODY_PATIENCE_MS).unref();
  return {
    bodyCame: () => {
      clearTimeout(timer);
      if (isLate) turn = turns.take(name);
      return turn.come;
    },
    end: () => {
      clearTimeout(timer);
      turn.end();
    },
  };
}

/** What a push is taken with, beside its body. */
export interface PushRound {
  context: ServerContext;
  readers: Readers;
  turns: Turns;
  caller: Caller;
  coming: ComingPush;
  /** As the header names it. */
  clientId: string | undefined;
}

/** Reads, stores and answers. @throws SmError in what the whole of it does wrong; nothing was stored then */
export async function push({ context, readers, turns, ...round }: PushRound, body: PackedBody): Promise<PushAnswer> {
  const { caller, coming, clientId } = round;
  const { workspaceId } = caller;
  let turn: Turn | undefined;
  try {
    const come = coming.bodyCame();
    const read = await readers.read(body, { workspaceId, clientId, nowMs: context.nowMs() });
    await come;
    // Who tells nothing of its log may share a commit with others.
    if (read.push.replica !== undefined) {
      turn = turns.take(`storing ${workspaceId} ${read.push.pusherId}`);
      coming.end();
      await turn.come;
    }
    if (readers.isLarge(body)) await letIn();
    coming.end();
    const stored = await context.store.push(read.push);
    return read.protocol === 1
      ? { protocol: 1, answer: answer1(read, stored) }
      : { protocol: 2, answer: answer2(read, stored) };
  } finally {
    coming.end();
    turn?.end();
  }
}

async function letIn(): Promise<void> {
  for (let turn = 0; turn < LET_IN_TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function answer1({ push: { count }, newestMs }: ReadPush1, stored: StorePushAnswer): PushAnswer1 {
  if (stored.verdict !== 'stored') throw new Error('a push without a claim was refused');
  return { accepted: count, serverCursor: newestMs };
}

function answer2({ push: { nowMs }, changeIds, refused, isBrief }: ReadPush2, stored: StorePushAnswer): PushAnswer2 {
  if (stored.verdict !== 'stored') throw replicaError(stored);
  const results = changeIds.map((changeId, index) => resultOf(changeId, stored.outcomes[index] ?? 'applied'));
  // Ascending, so that each finds those before it in their places.
  for (const [position, result] of refused) results.splice(position, 0, result);
  return {
    accepted: results.filter(({ outcome }) => outcome !== 'refused').length,
    results: isBrief ? results.filter(({ outcome }) => outcome !== 'applied') : results,
    serverTime: nowMs,
    foundCursor: stored.foundCursor,
    serverCursor: stored.lastCursor,
    epoch: stored.epoch,
    ...(stored.replica === undefined ? {} : { replica: stored.replica }),
  };
}

function replicaError({ verdict, remembered }: Exclude<StorePushAnswer, { verdict: 'stored' }>): SmError {
  if (verdict === 'forked') {
    return new SmError({
      code: verdict,
      message: 'The server has other changes in these places of this replica: its directory was copied.',
      hint: 'Take a new replica id and push everything again.',
    });
  }
  if (verdict === 'replica_behind') {
    return new SmError({
      code: verdict,
      message: 'The server has taken more of this replica than it has: it was restored from a backup.',
      hint: 'Take a new replica id and push everything again.',
    });
  }
  return new SmError({
    code: verdict,
    message: 'The server has taken less of this replica than it believes: the server was restored from a backup.',
    hint: 'Push again from details.seq.',
    details: { ...remembered },
  });
}

function resultOf(changeId: string, outcome: StoreOutcome): PushResult {
  if (outcome === 'was_refused') {
    const message = "It was refused when it came first, as ahead of the server's clock, and is refused again.";
    return { changeId, outcome: 'refused', code: 'clock_ahead', message };
  }
  if (outcome !== 'change_id_reused') return { changeId, outcome };
  return {
    changeId,
    outcome: 'refused',
    code: outcome,
    message: 'changeId: is that of another change, which the server has already.',
  };
}
