/** Names that both sides work out for themselves: the id of a change, and the rolling hash of a replica's changes. */
import { sha256Hex } from './hash.ts';

/** A UUID (version 8) from the SHA-256 of `text`. */
export function uuidOf(text: string): string {
  const hex = sha256Hex(text);
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** What names a version: one replica writes one content of an entry at one time once. */
export interface VersionName {
  replicaId: string;
  entryId: string;
  updatedAt: number;
  hash: string;
}

/** The id under which a version travels. A peer that sends changes of its own may name them otherwise. */
export function wireChangeId({ replicaId, entryId, updatedAt, hash }: VersionName): string {
  return uuidOf(`stackmemory version ${replicaId} ${entryId} ${updatedAt} ${hash}`);
}

/** The rolling hash of a replica that has pushed nothing. */
export const CHAIN_START = '';

/** The rolling hash of a replica's changes after one more: SHA-256, lower-case hex. */
export function nextChain(chain: string, change: { seq: number; changeId: string }): string {
  return sha256Hex(`${chain} ${change.seq} ${change.changeId}`);
}
