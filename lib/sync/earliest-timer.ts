/**
 * A timer for work that has many reasons: of several the earliest counts, so that who gives reasons on and on never puts
 * it off.
 */
export class EarliestTimer {
  readonly #work: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** When it will fire, by the monotonic clock. */
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(work: () => void) {
    this.#work = work;
  }

  /** Works after so long, or when it was to anyway, if that is earlier. */
  set(delayMs: number): void {
    const dueMs = performance.now() + delayMs;
    if (dueMs >= this.#dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#work();
    }, delayMs);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#dueMs = Number.POSITIVE_INFINITY;
  }
}
