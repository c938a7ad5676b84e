/**
 * Reads that are begun before they are asked for, while something else is under way: the next changes while a push is at
 * the server, the next page while one is stored. Only reads, so that one that nobody asks for has done nothing.
 */
export class LookAhead<Value> {
  /** By what names them, in the order in which they will be asked for. */
  readonly #begun = new Map<string, Promise<Value>>();

  /** Begins to read what `key` names, unless it has. How it fails is told to who asks. */
  begin(key: string, read: () => Promise<Value>): Promise<Value> {
    const begun = this.#begun.get(key) ?? read();
    this.#begun.set(key, begun);
    begun.catch(() => undefined);
    return begun;
  }

  /** What was begun under `key`, once; else what `read` gives, and what was begun is forgotten: it follows something else. */
  take(key: string, read: () => Promise<Value>): Promise<Value> {
    const begun = this.#begun.get(key);
    if (begun === undefined) this.#begun.clear();
    else this.#begun.delete(key);
    return begun ?? read();
  }

  /** Forgets what was begun, and waits until it is over. */
  async end(): Promise<void> {
    const begun = [...this.#begun.values()];
    this.#begun.clear();
    await Promise.allSettled(begun);
  }
}
