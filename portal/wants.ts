/** What a session wants, in words: for the command line, the page and its worker. */
import type { Attention } from './protocol.ts';

export const WANTS: Readonly<Record<Attention['kind'], string>> = {
  bell: 'rang',
  notice: 'has notified',
  waits: 'waits for an answer',
  quiet: 'has gone quiet',
};
