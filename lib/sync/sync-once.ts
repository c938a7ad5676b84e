/**
 * Runs one sync session: has what the state machine decides carried out, on a brain and a server, and reports. Never throws
 * for the server's sake, and never leaves a wait or a call behind. Two that run at once on one brain do no harm.
 */
import { EffectRunner } from './effects.ts';
import type { SyncOptions } from './options.ts';
import type { SyncReport } from './report.ts';
import { PAGE_CHANGES } from './session-steps.ts';
import { advance, beginSession } from './session.ts';
import type { Failure, SessionState } from './session-types.ts';

/** A person waits for the end of this one; the background has longer patience of its own. */
const RETRIES_MAX = 2;
/** Steps of one session: far more than a brain of a million changes takes. */
const STEPS_MAX = 100_000;

/** Pushes, then pulls, all pages. @returns how it went; a server that fails is part of that */
export async function syncOnce(options: SyncOptions): Promise<SyncReport> {
  const startedMs = performance.now();
  const runner = new EffectRunner(options);
  let step = beginSession({
    mode: options.mode,
    verify: options.verify ?? false,
    restamp: options.restamp ?? false,
    projectId: options.projectId,
    retriesMax: options.retriesMax ?? RETRIES_MAX,
    pageChanges: options.pageChanges ?? PAGE_CHANGES,
  });
  try {
    for (let steps = 0; step.effect.type !== 'finish' && steps < STEPS_MAX; steps += 1) {
      step = advance(step.state, await runner.carryOut(step));
    }
  } finally {
    await runner.end();
  }
  return reportOf(options, step.state, performance.now() - startedMs);
}

function reportOf({ endpoint, workspaceId }: SyncOptions, state: SessionState, durationMs: number): SyncReport {
  const { failure, ...tally } = state.tally;
  return {
    success: failure === undefined,
    ...(failure === undefined ? {} : { reason: reasonOf(failure) }),
    endpoint,
    workspaceId,
    protocol: state.protocol,
    ...tally,
    pending: state.pending,
    durationMs: Math.round(durationMs),
  };
}

function reasonOf({ code, message, hint }: Failure) {
  return { code, message, ...(hint === undefined ? {} : { hint }) };
}
