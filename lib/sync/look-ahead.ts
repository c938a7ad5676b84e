/**
 * Reads that are begun before they are asked for, while something else is under way: the next changes while a push is at
 * the server, the next page while one is stored. Only reads, so that one that nobody asks for has done nothing.
 */
export class LookAhead<Value> {
  /** By what names them, in the order in which they will be asked for. */
  readonly #begun = new Map<string, Promise<Value>>();
  readonly #underWay = new Set<Promise<unknown>>();

  /** Begins to read what `key` names, unless it has. How it fails is told to who asks. */
  begin(key: string, read: () => Promise<Value>): Promise<Value> {
    const known = this.#begun.get(key);
    if (known !== undefined) return known;
    const begun = read();
    this.#begun.set(key, begun);
    this.#underWay.add(begun);
    const end = (): void => void this.#underWay.delete(begun);
    begun.then(end, end);
    return begun;
  }

  /** What was begun under `key`, once; else what `read` gives, and what was begun is forgotten: it follows something else. */
  take(key: string, read: () => Promise<Value>): Promise<Value> {
    const begun = this.#begun.get(key);
    if (begun === undefined) this.#begun.clear();
    else this.#begun.delete(key);
    return begun ?? read();
  }

  /** Forgets what was begun, and waits until all of it is over, also what was forgotten before. */
  async end(): Promise<void> {
    this.#begun.clear();
    await Promise.allSettled(this.#underWay);
  }
}
