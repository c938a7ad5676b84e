/**
 * Keys and invitations: `sm_<prefix>_<secret>` and `inv_<prefix>_<secret>`. The prefix may be shown and logged; the whole
 * is shown once and kept as its SHA-256. Randomness is a parameter.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { NewSecret } from './store.ts';

/** Letters and digits that are not mistaken for each other; a power of two of them, so that each is as likely. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
const PREFIX_CHARACTERS = 8;
/** 160 bits. */
const SECRET_CHARACTERS = 32;

export type RandomBytes = (count: number) => Uint8Array;

export interface MadeSecret extends NewSecret {
  /** What its holder is given, once. */
  text: string;
}

export function createSecret(kind: 'sm' | 'inv', randomBytes: RandomBytes): MadeSecret {
  const letters = [...randomBytes(PREFIX_CHARACTERS + SECRET_CHARACTERS)].map((byte) => ALPHABET[byte % 32]).join('');
  const prefix = letters.slice(0, PREFIX_CHARACTERS);
  const text = `${kind}_${prefix}_${letters.slice(PREFIX_CHARACTERS)}`;
  return { text, prefix, hash: hashSecret(text) };
}

export function hashSecret(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** Compares two secrets or hashes in constant time. */
export function isSameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();
  return timingSafeEqual(digest(a), digest(b));
}
