/** Waiting in tests: for a condition, looked at again and again, never for time to pass; with a bound and a name. */

const LOOK_INTERVAL_MS = 10;
const WAIT_MS_MAX = 60_000;

/** Waits until `look` gives something other than undefined and false, and returns it. */
export async function waitUntil<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  waitMsMax: number = WAIT_MS_MAX,
): Promise<T> {
  const deadline = performance.now() + waitMsMax;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() >= deadline) throw new Error(`waited ${waitMsMax} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
  }
}

/** What `promise` comes to, as data: tests compare it. */
export async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error: (error as { code?: string }).code ?? String(error) };
  }
}
