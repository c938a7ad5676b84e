/**
 * Reads that are begun before they are asked for, while something else is under way: the next changes while a push is at
 * the server, the next page while one is stored. Only reads, so that one that nobody asks for has done nothing.
 */
export class LookAhead<Value> {
  #key = '';
  #begun: Promise<Value> | undefined;

  /** Begins to read what `key` names, unless it has; what was begun before is forgotten. How it fails is told to who asks. */
  begin(key: string, read: () => Promise<Value>): Promise<Value> {
    if (this.#begun !== undefined && this.#key === key) return this.#begun;
    this.#key = key;
    this.#begun = read();
    this.#begun.catch(() => undefined);
    return this.#begun;
  }

  /** What was begun under `key`, once; else what `read` gives. */
  take(key: string, read: () => Promise<Value>): Promise<Value> {
    const begun = this.#key === key ? this.#begun : undefined;
    this.#begun = undefined;
    return begun ?? read();
  }

  /** Forgets what was begun, and waits until it is over. */
  async end(): Promise<void> {
    const begun = this.#begun;
    this.#begun = undefined;
    await begun?.catch(() => undefined);
  }
}
