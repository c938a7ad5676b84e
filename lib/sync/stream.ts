/**
 * Listens to a server's stream of server-sent events: a poke whenever another brain's change is there to be pulled. One
 * connection until it ends; whoever holds it decides on another. Silence beyond several heart-beats counts as an end.
 */
import { createParser } from 'eventsource-parser';
import type { StreamPoke } from '../protocol/wire.ts';
import { CallFailure } from './call-failure.ts';
import { type Server, streamCall } from './transport.ts';

/** An event of ours has some sixty characters. */
const EVENT_CHARACTERS_MAX = 64 * 1024;
/** The server's heart-beat comes every 15 s. */
const SILENCE_MS_MAX = 45_000;

export interface StreamOptions {
  server: Server;
  /** The cursor that has been pulled: the server pokes at once where it is further. */
  lastCursor: number;
  onOpen: () => void;
  onPoke: (serverCursor: number) => void;
  signal: AbortSignal;
}

/** Resolves when the stream has ended in peace. @throws CallFailure */
export async function listen({ server, lastCursor, onOpen, onPoke, signal }: StreamOptions): Promise<void> {
  const silence = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const hear = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
  };
  const parser = createParser({
    // Beyond it the next bytes are refused, which ends the stream.
    maxBufferSize: EVENT_CHARACTERS_MAX,
    onEvent: ({ event, data }) => {
      const cursor = event === 'cursor' ? cursorIn(data) : undefined;
      if (cursor !== undefined) onPoke(cursor);
    },
  });
  hear();
  try {
    const body = await streamCall(
      { ...server, signal: AbortSignal.any([signal, silence.signal]) },
      '/v1/brain/stream',
      lastCursor,
    );
    onOpen();
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      hear();
      parser.feed(decoder.decode(chunk, { stream: true }));
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof CallFailure && !silence.signal.aborted) throw error;
    throw new CallFailure(
      { code: 'unavailable', message: `The stream of ${server.endpoint} broke off.`, isTransient: true },
      error,
    );
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

function cursorIn(data: string): number | undefined {
  try {
    const { serverCursor } = JSON.parse(data) as Partial<StreamPoke>;
    return Number.isSafeInteger(serverCursor) ? serverCursor : undefined;
  } catch {
    return undefined; // No poke of ours.
  }
}
