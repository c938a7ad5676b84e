/**
 * Turns of those who ask for the same thing: who takes one comes when all who took theirs before have ended. Owns the
 * order alone; nothing is kept of a name that nobody waits for. Every turn must be ended.
 */
export interface Turn {
  /** Resolves when those before have ended; never rejects. */
  come: Promise<void>;
  /** May be called more than once. */
  end(): void;
}

export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** How many names somebody waits for. */
  get size(): number {
    return this.#last.size;
  }

  take(name: string): Turn {
    const come = this.#last.get(name) ?? Promise.resolve();
    let end: () => void = () => undefined;
    const over = new Promise<void>((resolve) => (end = resolve));
    const next = come.then(() => over);
    this.#last.set(name, next);
    void next.then(() => this.#last.get(name) === next && this.#last.delete(name));
    return { come, end };
  }
}
