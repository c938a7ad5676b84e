/** What the server and its reading threads say to each other. Types only. */
import type { SmErrorJson } from '../core/errors.ts';
import type { PackedBody } from '../protocol/body.ts';
import type { PushTerms, ReadPush } from './push-reading.ts';

export interface ReadingTask {
  id: number;
  body: PackedBody;
  terms: PushTerms;
}

export type ReaderMessage =
  | { type: 'ready' }
  | { type: 'read'; id: number; read: ReadPush }
  /** What is wrong with the request; `cause` where it is the server's own fault, for its log. */
  | { type: 'refused'; id: number; error: SmErrorJson; cause: unknown };
