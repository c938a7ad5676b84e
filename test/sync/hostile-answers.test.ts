/**
 * Servers whose answers have the right envelope and the wrong contents: whatever stands where the protocol has
 * something else, the sync reports and never throws, and the next one with an honest server is whole.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { listen } from '../../lib/sync/stream.ts';
import { useSyncPair } from '../support/sync-pair.ts';

const pair = useSyncPair();

interface Distortion {
  /** Which call of the sync. */
  call: number;
  /** Which place of its answer. */
  where: number;
  junk: unknown;
  /** An error in place of the answer. */
  error: { status: number; error: string } | undefined;
}

/** An honest server's answers, distorted on their way. */
function distorting(distortions: Distortion[]): typeof fetch {
  let calls = 0;
  return async (input, init) => {
    const response = await fetch(input, init);
    let body: unknown = await response.json();
    let { status } = response;
    for (const { where, junk, error } of distortions.filter(({ call }) => call === calls)) {
      if (error !== undefined) {
        body = { error: error.error, message: junk, hint: junk, details: { seq: junk, chain: junk } };
        status = error.status;
      }
      const places = [...placesIn(body)];
      const place = places[where % Math.max(1, places.length)];
      if (place !== undefined) replaceAt(body, place, junk);
    }
    calls += 1;
    return Response.json(body, { status });
  };
}

const ERRORS = [
  { status: 400, error: 'bad_request' },
  { status: 401, error: 'unauthorized' },
  { status: 404, error: 'not_found' },
  { status: 409, error: 'forked' },
  { status: 409, error: 'replica_behind' },
  { status: 409, error: 'replica_ahead' },
  { status: 413, error: 'too_large' },
  { status: 422, error: 'unsupported_protocol' },
  { status: 429, error: 'rate_limited' },
  { status: 500, error: 'unavailable' },
];

const JUNK = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    '',
    'text',
    '\u0000',
    '\ud800',
    -1,
    0,
    1.5,
    2 ** 53,
    Number.MAX_SAFE_INTEGER,
    true,
    [],
    [null],
    {},
    [[]],
    { count: [] },
    { count: [2] },
    { count: ['2'] },
    'x'.repeat(10_000),
    '0'.repeat(64),
    '01900000-0000-7000-8000-000000000000',
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

/** Places in a value: keys and positions. */
function* placesIn(value: unknown, depth = 0): Generator<(string | number)[]> {
  if (typeof value !== 'object' || value === null || depth > 4) return;
  for (const key of Object.keys(value)) {
    yield [key];
    for (const inner of placesIn((value as Record<string, unknown>)[key], depth + 1)) yield [key, ...inner];
  }
}

function replaceAt(body: unknown, place: (string | number)[], junk: unknown): void {
  const [key = '', ...rest] = place;
  const object = body as Record<string | number, unknown>;
  if (rest.length > 0) return replaceAt(object[key], rest, junk);
  if (junk === undefined) delete object[key];
  else object[key] = junk;
}

test('[S15] whatever stands anywhere in the answers, a sync reports and never throws', async () => {
  const { server, a, b } = pair;
  const place = { url: server.url, key: server.key };
  await b.record(place, ...Array.from({ length: 4 }, (_, number) => ({ title: `from b ${number}` })));
  await b.sync(place);
  await a.record(place, { title: 'from a 0' }, { title: 'from a 1' });
  const distortion = fc.record({
    call: fc.nat(5),
    where: fc.nat(),
    junk: JUNK,
    error: fc.option(fc.constantFrom(...ERRORS), { nil: undefined, freq: 3 }),
  });
  let written = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(distortion, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async (distortions, verify) => {
        written += 1;
        await a.record(place, { title: `more ${written}` }, { title: `and more ${written}` });
        const report = await a.sync(place, { fetch: distorting(distortions), verify });
        expect(report.success || report.reason?.message.trim() !== '').toBe(true);
      },
    ),
    { numRuns: 120 },
  );
  // Whatever it was made to believe, an honest server brings it to the truth.
  expect(await a.sync(place, { verify: true })).toMatchObject({ success: true, verification: { isEqual: true } });
  await b.sync(place);
  expect(await a.titles(place)).toEqual(await b.titles(place));
  expect(await a.session.run('verify', {})).toMatchObject({ isSound: true });
});

test('[S15] a stream whose line never ends is left before it fills the memory', async () => {
  const chunk = new Uint8Array(16 * 1024).fill(0x61);
  let chunks = 0;
  const endless: typeof fetch = () => {
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        chunks += 1;
        if (chunks > 1_000) controller.close();
        else controller.enqueue(chunk);
      },
    });
    return Promise.resolve(new Response(body, { headers: { 'Content-Type': 'text/event-stream' } }));
  };
  const server = { endpoint: 'http://server.invalid', apiKey: 'key', fetch: endless };
  const nothing = (): void => undefined;
  const signal = new AbortController().signal;
  const listening = listen({ server, lastCursor: 0, onOpen: nothing, onPoke: nothing, signal });
  await expect(listening).rejects.toMatchObject({ failure: { code: 'unavailable', isTransient: true } });
  expect(chunks).toBeLessThan(20);
});
