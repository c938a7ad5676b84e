/**
 * A server of embeddings as OpenAI's, over a real socket, with a model that is plain: a text's vector is the sum of its
 * words' vectors, words that mean the same have the same one, and what a word's vector is follows from its letters.
 */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

const MEANINGS = [
  ['car', 'automobile', 'vehicle'],
  ['fast', 'quick', 'rapid', 'swift'],
  ['doctor', 'physician', 'surgeon'],
  ['boat', 'ship', 'vessel'],
];

export interface EmbeddingServer extends AsyncDisposable {
  /** Up to `/v1`. */
  url: string;
  /** Every text it was sent, in order. */
  texts: string[];
  /** What it was sent beside the texts, of the last call. */
  last: { authorization: string | undefined; model: unknown };
  /** Calls that were answered or are under way. */
  calls: number;
  /** How it answers from now on. */
  behave(how: Behaviour): void;
}

export interface Behaviour {
  dimensions?: number;
  /** Turns every vector, as another model of the same name would. */
  seed?: number;
  /** Answers this instead. */
  status?: number;
  body?: string;
  headers?: Record<string, string>;
  /** Never answers. */
  hangs?: boolean;
  delayMs?: number;
  /** Refuses, with 400, what has such a text. */
  refuses?: RegExp;
}

export async function embeddingServer(port = 0): Promise<EmbeddingServer> {
  let how: Behaviour = {};
  const state = { texts: [] as string[], calls: 0, last: { authorization: undefined, model: undefined } };
  const server = http.createServer((request, response) => {
    state.calls += 1;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { input, model } = JSON.parse(String(Buffer.concat(chunks))) as { input: string[]; model: unknown };
      state.texts.push(...input);
      Object.assign(state.last, { authorization: request.headers.authorization, model });
      if (how.hangs === true) return;
      setTimeout(() => {
        const { refuses } = how;
        if (refuses !== undefined && input.some((text) => refuses.test(text))) {
          response.writeHead(400).end(JSON.stringify({ error: { message: `too odd: ${input.join(' ')}` } }));
          return;
        }
        response.writeHead(how.status ?? 200, { 'content-type': 'application/json', ...how.headers });
        const data = input.map((text, index) => ({ index, embedding: vectorOf(text, how) }));
        response.end(how.body ?? JSON.stringify({ data, model }));
      }, how.delayMs ?? 0);
    });
  });
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    behave: (next: Behaviour) => void (how = next),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

export function vectorOf(text: string, { dimensions = 64, seed = 0 }: Behaviour = {}): number[] {
  const sum = new Array<number>(dimensions).fill(0);
  for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? ['']) {
    const meant = MEANINGS.find((words) => words.includes(word))?.[0] ?? word;
    let state = seed + 1;
    for (const letter of meant) state = (Math.imul(state, 31) + (letter.codePointAt(0) ?? 0)) >>> 0;
    for (let index = 0; index < dimensions; index += 1) {
      // A linear congruence is random enough to keep unlike words apart (Numerical Recipes).
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      sum[index] = (sum[index] ?? 0) + state / 2 ** 31 - 1;
    }
  }
  return sum;
}
