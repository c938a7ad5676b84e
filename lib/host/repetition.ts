/**
 * Asking again. Every request may be repeated, so one whose answer was lost is, a bounded number of times; one that was
 * refused is not.
 */
import { SmError } from '../core/errors.ts';

const REPETITIONS_MAX = 8;
const REPETITION_DELAY_MS = 50;

/** Runs `attempt` until it succeeds, fails for a reason of its own, or has been lost too often. */
export async function repeatWhileLost<T>(attempt: () => Promise<T>, isLost: (error: unknown) => boolean): Promise<T> {
  for (let repetition = 0; ; repetition += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isLost(error) || repetition >= REPETITIONS_MAX) throw error;
      await new Promise((resolve) => setTimeout(resolve, REPETITION_DELAY_MS * repetition));
    }
  }
}

/** Whether the database was opened anew under the request. */
export function isDatabaseRestart(error: unknown): boolean {
  return error instanceof SmError && error.code === 'store_restarted';
}

/** What a request gets whose brain its own process has closed; it is not repeated. */
export function brainClosed(): SmError {
  return new SmError({
    code: 'interrupted',
    message: 'The brain was closed before the answer came.',
    hint: 'Whether the last write took effect is not known; repeating it on an open brain is safe.',
  });
}
