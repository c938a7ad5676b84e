/** Tells those who watch a store in this process. A listener that throws is a bug, and holds up no other. */
import type { StoreEvent } from './store.ts';

export class StoreEvents {
  readonly #listeners = new Set<(event: StoreEvent) => void>();

  watch(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  emit(event: StoreEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}
