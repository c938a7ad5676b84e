/** Cuts a stream of items into batches that fit one request. Pure. */

/** Items of one request: half of what the brain takes, so that a batch never waits long for its acknowledgement. */
export const BATCH_ITEMS_MAX = 500;
/** Bytes of one request: half of what the brain takes. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;

/** A single item larger than a batch goes alone; whoever reads it has bounded it. */
export function* batches<T>(items: Iterable<T>, bytesOf: (item: T) => number): Generator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const itemBytes = bytesOf(item);
    if (batch.length > 0 && (batch.length >= BATCH_ITEMS_MAX || bytes + itemBytes > BATCH_BYTES_MAX)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += itemBytes;
  }
  if (batch.length > 0) yield batch;
}
