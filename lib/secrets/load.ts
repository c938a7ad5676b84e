/** Loads the scanner when text is first stored or sent: some 20 ms, once in a process. */
import { loadBundle } from '../store/assets.ts';
import type * as Scanner from './scanner.ts';

let loaded: typeof Scanner | undefined;

export function loadScanner(): typeof Scanner {
  loaded ??= loadBundle('secrets.cjs') as typeof Scanner;
  return loaded;
}
