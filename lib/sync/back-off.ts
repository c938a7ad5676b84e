/** How long to wait before another attempt: twice as long each time, and by chance anything up to that. Pure. */

/**
 * Exponential back-off with full jitter, in milliseconds, so that many clients do not come back at once.
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 * @param attempt counts from 1
 * @param random from 0 to below 1
 */
export function backOffMs(
  attempt: number,
  { minMs, maxMs }: { minMs: number; maxMs: number },
  random: () => number,
): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(minMs / 2 + random() * (ceiling - minMs / 2));
}

/** Ends early, without a failure, when the signal is given: what comes next will notice. */
export function waitFor(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    signal?.addEventListener('abort', end);
  });
}
