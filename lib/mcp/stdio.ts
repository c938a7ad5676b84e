/**
 * stdin and stdout as an agent's transport, which ends after its answers: what was read before stdin ended is done and answered
 * first, within a bound. The SDK's own drops what is under way, be it a record that is about to be written.
 */
import { Transform } from 'node:stream';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';

/** How long the end waits for answers. */
const ANSWERING_MS_MAX = 10_000;
/** Is answered when the connection ends, and by nothing else. */
const ENDLESS_METHOD = 'subscriptions/listen';

export interface AnsweringTransport {
  transport: StdioServerTransport;
  /** To be called once the transport is served, and before anything is read. */
  watch(): void;
  /** Resolves when stdin has ended and all is answered, or the reader of stdout has gone. */
  ended: Promise<void>;
}

export function createAnsweringTransport(): AnsweringTransport {
  const waiting = new Set<RequestId>();
  let onAnswered: () => void = () => undefined;
  const settle = (id: RequestId | undefined) => {
    if (id !== undefined) waiting.delete(id);
    if (waiting.size === 0) onAnswered();
  };
  const input = new Transform({
    transform: (chunk, _encoding, done) => done(null, chunk),
    flush: (done) => {
      const timer = setTimeout(() => onAnswered(), ANSWERING_MS_MAX);
      onAnswered = () => {
        clearTimeout(timer);
        onAnswered = () => undefined;
        done();
      };
      // What was read last is handed out before.
      setImmediate(() => settle(undefined));
    },
  });
  const transport = new StdioServerTransport(input);
  const ended = new Promise<void>((resolve) => {
    input.once('end', resolve);
    process.stdout.once('error', () => resolve());
  });
  process.stdin.once('close', () => input.end());
  process.stdin.pipe(input);
  const send = transport.send.bind(transport);
  transport.send = async (message: JSONRPCMessage) => {
    try {
      await send(message);
    } finally {
      if (!('method' in message)) settle(message.id);
    }
  };
  return {
    transport,
    ended,
    watch() {
      const deliver = transport.onmessage?.bind(transport);
      transport.onmessage = (message: JSONRPCMessage) => {
        if ('method' in message && 'id' in message && message.method !== ENDLESS_METHOD) waiting.add(message.id);
        deliver?.(message);
        // One that is taken back has no answer.
        if ('method' in message && message.method === 'notifications/cancelled') {
          settle((message.params as { requestId?: RequestId } | undefined)?.requestId);
        }
      };
    },
  };
}
