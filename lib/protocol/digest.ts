/**
 * How two brains compare what they hold without sending it: per range of entry ids, the number of entries and a hash
 * over their stamps. The same text is built in SQL by either side's store.
 */
import { sha256Hex } from './hash.ts';

/** From `from` on, up to but without `to`; `''` is the beginning, `null` the end. Ids compare as bytes. */
export interface IdRange {
  from: string;
  to: string | null;
}

/** An entry's current stamp: id, `updatedAt` in milliseconds, content hash. */
export type EntryStamp = [entryId: string, updatedAt: number, hash: string];

export interface RangeDigest extends IdRange {
  count: number;
  /** Of the lines `stampLine` of all entries in the range, by id. */
  hash: string;
  /** Where they were asked for and are few enough. */
  stamps?: EntryStamp[];
}

export function stampLine([entryId, updatedAt, hash]: EntryStamp): string {
  return `${entryId} ${updatedAt} ${hash}\n`;
}

/** @param stamps in the order of their ids */
export function digestOf(stamps: EntryStamp[]): string {
  return sha256Hex(stamps.map(stampLine).join(''));
}

export const WHOLE_RANGE: IdRange = { from: '', to: null };
