/**
 * What crosses the host's socket: frames of a 4-byte big-endian length and that many bytes of superjson. Owns the
 * message types and the size limit. The first two messages of a connection (`hello`, `handover`) and the answers to
 * them keep their shape for ever, so that any two versions can at least tell each other apart.
 */
import superjson from 'superjson';
import type { OperationName } from '../brain/contract.ts';
import { SmError, type SmErrorJson } from '../core/errors.ts';

/** Raised when a host and a client of different numbers could misunderstand each other. */
export const WIRE_VERSION = 1;
export const FRAME_BYTES_MAX = 32 * 1024 * 1024;
const HEADER_BYTES = 4;

export type ClientMessage =
  | { type: 'hello'; secret: string; version: string; wire: number }
  /** Sent by a newer client: finish what is under way and end, so that a newer host can take over. */
  | { type: 'handover' }
  | { type: 'run'; id: number; operation: OperationName; request: unknown }
  | { type: 'status'; id: number }
  | { type: 'stop'; id: number };

export type HostMessage =
  | { type: 'welcome'; version: string; wire: number; pid: number }
  | { type: 'refused'; reason: 'secret' | 'wire'; version: string; wire: number }
  | { type: 'answer'; id: number; answer: unknown }
  | { type: 'error'; id: number; error: SmErrorJson }
  /** Sent now and then while a request is under way, so that silence means that something is wrong. */
  | { type: 'alive' };

/** @throws SmError `too_large` */
export function encodeFrame(message: ClientMessage | HostMessage): Buffer {
  const body = Buffer.from(superjson.stringify(message), 'utf8');
  if (body.length > FRAME_BYTES_MAX) {
    throw new SmError({
      code: 'too_large',
      message: `That is ${Math.ceil(body.length / 1024 / 1024)} MiB at once; at most ${FRAME_BYTES_MAX / 1024 / 1024} MiB are possible.`,
      hint: 'Ask for less, for example with a smaller --limit.',
    });
  }
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, HEADER_BYTES);
  return frame;
}

/** Cuts a stream of bytes into messages. One for each connection. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  #neededBytes = HEADER_BYTES;
  #isInBody = false;

  /** @returns the messages that `chunk` completed. @throws Error where the peer does not speak this protocol */
  push(chunk: Buffer): unknown[] {
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.length;
    const messages: unknown[] = [];
    while (this.#bufferedBytes >= this.#neededBytes) {
      const bytes = this.#take(this.#neededBytes);
      if (this.#isInBody) {
        messages.push(superjson.parse(bytes.toString('utf8')));
        this.#neededBytes = HEADER_BYTES;
      } else {
        this.#neededBytes = bytes.readUInt32BE(0);
        if (this.#neededBytes > FRAME_BYTES_MAX) throw new Error(`frame of ${this.#neededBytes} bytes`);
      }
      this.#isInBody = !this.#isInBody;
    }
    return messages;
  }

  #take(bytes: number): Buffer {
    const [first] = this.#chunks;
    const all = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    const rest = all.subarray(bytes);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#bufferedBytes = rest.length;
    return all.subarray(0, bytes);
  }
}
