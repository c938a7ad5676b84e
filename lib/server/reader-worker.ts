/** A thread that reads pushes, one after the other, and nothing else: it has no store, no key and no clock. */
import { parentPort } from 'node:worker_threads';
import { toSmError } from '../core/errors.ts';
import { readPush } from './push-reading.ts';
import type { ReaderMessage, ReadingTask } from './reader-messages.ts';

const port = parentPort;
if (port === null) throw new Error('the reader runs as a worker thread only');

const send = (message: ReaderMessage, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

port.on('message', ({ id, body, terms }: ReadingTask) => {
  try {
    const read = readPush(body, terms);
    send({ type: 'read', id, read }, whole(read.push.rows));
  } catch (error) {
    const refusal = toSmError(error);
    send({
      type: 'refused',
      id,
      error: refusal.toJSON(),
      cause: refusal.code === 'internal' ? refusal.cause : undefined,
    });
  }
});
send({ type: 'ready' });

/** The memory of `bytes`, where it is theirs alone: then it can be handed over instead of copied. */
function whole(bytes: Buffer): ArrayBuffer[] {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength ? [buffer] : [];
}
