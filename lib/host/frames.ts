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
/** Who has not shown the secret yet may make a host hold no more than this. */
export const HELLO_BYTES_MAX = 4 * 1024;
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

/** @throws SmError `too_large`, or `bad_request` for what cannot be sent */
export function encodeFrame(message: ClientMessage | HostMessage): Buffer {
  const body = Buffer.from(stringify(message), 'utf8');
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

/** superjson sends no field that could be mistaken for an object's own machinery. */
function stringify(message: ClientMessage | HostMessage): string {
  try {
    return superjson.stringify(message);
  } catch (error) {
    const field = /property (\w+)/.exec(error instanceof Error ? error.message : '')?.[1];
    throw new SmError({
      code: 'bad_request',
      message: field === undefined ? 'That cannot be sent.' : `No field may be called ${field}.`,
      hint: 'Take it out of what is sent.',
      cause: error,
    });
  }
}

/** What a peer sent, so far known only to be a message of some kind. */
export interface PeerMessage {
  type: string;
}

/** Cuts a stream of bytes into messages. One for each connection. */
export class FrameReader {
  frameBytesMax: number;
  #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  #neededBytes = HEADER_BYTES;
  #isInBody = false;

  /** @param frameBytesMax what one frame may hold; may be raised later, once the peer is known */
  constructor(frameBytesMax: number = FRAME_BYTES_MAX) {
    this.frameBytesMax = frameBytesMax;
  }

  /** @returns the messages that `chunk` completed. @throws Error where the peer does not speak this protocol */
  push(chunk: Buffer): PeerMessage[] {
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.length;
    const messages: PeerMessage[] = [];
    while (this.#bufferedBytes >= this.#neededBytes) {
      const bytes = this.#take(this.#neededBytes);
      if (this.#isInBody) {
        messages.push(parseMessage(bytes));
        this.#neededBytes = HEADER_BYTES;
      } else {
        this.#neededBytes = bytes.readUInt32BE(0);
        if (this.#neededBytes > this.frameBytesMax) throw new Error(`frame of ${this.#neededBytes} bytes`);
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

function parseMessage(bytes: Buffer): PeerMessage {
  const message = superjson.parse<Partial<PeerMessage> | null>(bytes.toString('utf8'));
  if (typeof message?.type === 'string') return message as PeerMessage;
  throw new Error('a frame without a message');
}
