/** Loads the scanner when text is first stored or sent: some 20 ms, once in a process. */
import { createRequire } from 'node:module';
import { assetPath } from '../store/assets.ts';
import type * as Scanner from './scanner.ts';

export function loadScanner(): typeof Scanner {
  return createRequire(import.meta.url)(assetPath('secrets.cjs')) as typeof Scanner;
}
