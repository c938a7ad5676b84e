/** What the SQL of the store needs of a database, whichever it is. Types only. */
import type { ChangeStore, StoreEvent } from './store.ts';

export type Query = <Row>(text: string, values: readonly unknown[]) => Promise<Row[]>;

/** How statements reach the database. Failures come as SmErrors. */
export interface SqlRunner {
  readonly kind: ChangeStore['kind'];
  /** One statement, which is its own transaction. */
  query: Query;
  /** One statement that writes; it may share its commit with others. @param bytes about how much it writes */
  write<Row>(text: string, values: readonly unknown[], bytes: number): Promise<Row[]>;
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
  watch(listener: (event: StoreEvent) => void): () => void;
  /** After a commit that `event` tells of. Does nothing where the database itself tells. */
  announce(event: StoreEvent): void;
  close(): Promise<void>;
}
