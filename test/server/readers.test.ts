/** Reading pushes in threads: as it is done without, whatever comes, and whatever becomes of a thread. */
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { SmError } from '../../lib/core/errors.ts';
import { BATCH_BYTES_MAX } from '../../lib/core/limits.ts';
import type { PackedBody } from '../../lib/protocol/body.ts';
import { toColumns } from '../../lib/protocol/columns.ts';
import { CHAIN_START } from '../../lib/protocol/identity.ts';
import { CLOCK_AHEAD_MAX_MS } from '../../lib/protocol/limits.ts';
import { type PushTerms, type ReadPush, readPush } from '../../lib/server/push-reading.ts';
import { Readers, type ReadersOptions, readerThreadsOf } from '../../lib/server/readers.ts';
import { waitUntil } from '../support/host-wait.ts';
import { CLOCK_START_MS } from '../support/server-app.ts';
import { flatChange, nestChange } from '../support/server-changes.ts';

const TERMS: PushTerms = { workspaceId: 'w', clientId: undefined, nowMs: CLOCK_START_MS };
const LARGE_BYTES = 20_000;
const silent = fileURLToPath(new URL('../support/silent-reader.mjs', import.meta.url));

const opened: Readers[] = [];
afterEach(async () => {
  for (const readers of opened.splice(0)) await readers.close();
});

/** With a thread that is ready, started by a body of its own. */
async function withThread(options: ReadersOptions = {}): Promise<Readers> {
  const readers = new Readers(1, options);
  opened.push(readers);
  await readers.read(large(0), TERMS);
  await waitUntil('a thread that reads', () => readers.threads.ready === 1);
  return readers;
}

const plain = (value: unknown): PackedBody => ({ bytes: Buffer.from(JSON.stringify(value)), coding: 'identity' });

function change(number: number, title = 'a', updatedAt = 5) {
  return flatChange({ number, title, updatedAt, workspaceId: 'w', seq: number + 1 });
}

/** A push of one entry that is large by what it says. */
function large(number: number, bytes = LARGE_BYTES): PackedBody {
  const changes = [{ ...change(number), summary: 'x'.repeat(Math.min(bytes, 60_000)) }];
  return plain({ protocolVersion: 2, clientId: 'r', changes, padding: 'x'.repeat(Math.max(0, bytes - 60_000)) });
}

/** What a read gives, or how it fails, in a form that can be compared. */
async function outcome(read: () => ReadPush | Promise<ReadPush>): Promise<unknown> {
  try {
    const { push, ...rest } = await read();
    expect(Buffer.isBuffer(push.rows)).toBe(true);
    return { ...rest, push: { ...push, rows: JSON.parse(push.rows.toString()) as unknown } };
  } catch (error) {
    if (!(error instanceof SmError)) throw error;
    return error.toJSON();
  }
}

/** Bodies as clients send them, then spoiled: in a field, in a column, in the envelope, as JSON, or as bytes. */
function anyBody(): fc.Arbitrary<PackedBody> {
  const awkward = fc.oneof(
    fc.constantFrom<unknown>(null, '', 0, -1, 1.5, 2 ** 53, '\0', '\ud800', true, [], {}, [[]], 'x'.repeat(70_000)),
    fc.constantFrom<unknown>(CLOCK_START_MS + CLOCK_AHEAD_MAX_MS + 1, 'elsewhere', ['x'], ['x', 'x'], [5], [[[1]]]),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const keys = (source: object) => fc.constantFrom(...Object.keys(source), '__proto__', 'replaces', 'supersededBy');
  const [one] = [change(1)];
  const rows = fc
    .array(fc.record({ number: fc.nat(3), key: keys(one), value: awkward, isSpoiled: fc.boolean() }), { maxLength: 5 })
    .map((sketches) =>
      sketches.map(({ number, key, value, isSpoiled }) => ({
        ...change(number),
        ...(isSpoiled ? { [key]: value } : {}),
      })),
    );
  const wholeColumns = toColumns(
    [1, 2, 3].map((number) => nestChange(change(number))),
    (position) => position < 2,
  );
  const columns = fc
    .record({ key: keys(wholeColumns), value: awkward, isSpoiled: fc.boolean() })
    .map(({ key, value, isSpoiled }) => ({ ...wholeColumns, ...(isSpoiled ? { [key]: value } : {}) }));
  const replica = fc.constantFrom<unknown>(undefined, { seq: 0, chain: CHAIN_START, headSeq: 9 }, { seq: -1 }, 'x');
  const request = fc
    .record({
      parts: fc.oneof(
        rows.map((changes): object => ({ changes })),
        columns.map((value): object => ({ columns: value })),
        rows.map((entries): object => ({ entries, protocolVersion: 1 })),
        fc.constant<object>({}),
      ),
      replica,
      envelope: fc.oneof(
        { weight: 4, arbitrary: fc.constant({}) },
        { weight: 1, arbitrary: fc.dictionary(fc.constantFrom('protocolVersion', 'clientId', 'workspaceId'), awkward) },
      ),
    })
    .map(({ parts, replica: claim, envelope }): unknown => ({
      ...{ protocolVersion: 2, clientId: 'r', workspaceId: '' },
      ...parts,
      ...(claim === undefined ? {} : { replica: claim }),
      ...envelope,
    }));
  const json = fc.oneof({ weight: 6, arbitrary: request }, { weight: 1, arbitrary: fc.jsonValue() });
  return fc
    .record({
      bytes: fc.oneof(
        { weight: 8, arbitrary: json.map((value) => Buffer.from(JSON.stringify(value))) },
        { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
      ),
      coding: fc.constantFrom('identity' as const, 'br' as const, 'gzip' as const, 'deflate' as const),
      cutAt: fc.option(fc.nat(100), { freq: 8 }),
    })
    .map(({ bytes, coding, cutAt }) => {
      const packed = {
        identity: (b: Buffer) => b,
        br: zlib.brotliCompressSync,
        gzip: zlib.gzipSync,
        deflate: zlib.deflateSync,
      };
      const whole = packed[coding](bytes);
      return { coding, bytes: cutAt === null ? whole : whole.subarray(0, cutAt) };
    });
}

let threaded: Readers;
beforeAll(async () => {
  threaded = await withThread({ handedOverBytesMin: 0 });
  opened.splice(0);
});
afterAll(() => threaded.close());

test('[V18] whatever is pushed is read in a thread as it is without one', async () => {
  await fc.assert(
    fc.asyncProperty(anyBody(), fc.constantFrom(undefined, 'header'), async (body, clientId) => {
      const terms = { ...TERMS, clientId };
      expect(await outcome(() => threaded.read(body, terms))).toEqual(await outcome(() => readPush(body, terms)));
    }),
    { numRuns: 500 },
  );
  expect(threaded.threads).toEqual({ started: 1, ready: 1 });
});

test('[V18] [V8] so is what is deep, and what unpacks to more than it may', async () => {
  const deep = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const columns = (depth: number): string =>
    JSON.stringify(toColumns([nestChange(change(1))], () => true)).replace(
      /"title":\[.*?\]/,
      `"title":[${deep(depth)}],"surplus":[${deep(depth)}]`,
    );
  const texts = [3_000, 15_000, 1_000_000].flatMap((depth) => [
    deep(depth),
    `{"protocolVersion":2,"clientId":"r","changes":[${deep(depth)}]}`,
    `{"protocolVersion":2,"clientId":"r","columns":${columns(depth).replace('"count":[1]', '"count":[2]')}}`,
    `{"protocolVersion":2,"clientId":"r","columns":${columns(depth).replace('"count":[1]', `"count":${deep(depth)}`)}}`,
  ]);
  const bodies = texts.map((text): PackedBody => ({ bytes: zlib.brotliCompressSync(text), coding: 'br' }));
  bodies.push({ bytes: zlib.gzipSync(Buffer.alloc(BATCH_BYTES_MAX + 1)), coding: 'gzip' });
  for (const body of bodies) {
    const there = await outcome(() => threaded.read(body, TERMS));
    expect(there).toEqual(await outcome(() => readPush(body, TERMS)));
    expect(there).not.toMatchObject({ error: 'internal' });
  }
  expect(threaded.threads.ready).toBe(1);
});

test('[V18] small pushes start no thread, and large ones are read without waiting for one', async () => {
  const readers = new Readers(2);
  opened.push(readers);
  expect(await readers.read(plain({ protocolVersion: 2, changes: [change(1)] }), TERMS)).toMatchObject({ protocol: 2 });
  expect(readers.threads).toEqual({ started: 0, ready: 0 });
  expect(await readers.read(large(1), TERMS)).toMatchObject({ protocol: 2, push: { count: 1 } });
  expect(readers.threads).toEqual({ started: 1, ready: 0 });
  expect(await new Readers(0).read(large(1), TERMS)).toMatchObject({ push: { count: 1 } });
});

test('[V18] there are as many threads as leave a core to the store, and no more than are busy', async () => {
  expect([1, 2, 3, 64].map((cores) => readerThreadsOf(cores))).toEqual([1, 1, 2, 4]);
  const readers = new Readers(2, { workerFile: silent });
  opened.push(readers);
  const read = (number: number) => void readers.read(large(number), TERMS);
  read(1);
  read(2);
  expect(readers.threads.started).toBe(1);
  await waitUntil('the first thread', () => readers.threads.ready === 1);
  read(3);
  expect(readers.threads.started).toBe(1);
  read(4);
  expect(readers.threads.started).toBe(2);
});

test.each(['exit', 'throw'])('[V18] what a thread had not read when it died (%s) is read all the same', async (how) => {
  const reasons: string[] = [];
  let nowMs = 0;
  const readers = await withThread({
    workerFile: silent,
    onDeath: (reason) => reasons.push(reason),
    nowMs: () => nowMs,
  });
  const reads = [1, 2, 3].map((number) => outcome(() => readers.read(large(number), TERMS)));
  const fatal = outcome(() => readers.read(large(4), { ...TERMS, clientId: how }));
  const wrong = outcome(() => readers.read({ bytes: Buffer.alloc(LARGE_BYTES), coding: 'identity' }, TERMS));
  expect(await Promise.all([...reads, fatal])).toEqual(
    await Promise.all([1, 2, 3, 4].map((number) => outcome(() => readPush(large(number), TERMS)))),
  );
  expect(await wrong).toMatchObject({ error: 'bad_request' });
  expect(reasons).toHaveLength(1);
  expect(reasons[0]).toContain(how === 'exit' ? 'code 3' : 'on purpose');
  await readers.read(large(5), TERMS);
  expect(readers.threads.started).toBe(0);
  nowMs += 10_000;
  await readers.read(large(6), TERMS);
  expect(readers.threads.started).toBe(1);
});

test('[V18] a program that is not there is no thread, and is told of', async () => {
  const reasons: string[] = [];
  const readers = new Readers(1, { workerFile: '/nowhere/reader.js', onDeath: (reason) => reasons.push(reason) });
  opened.push(readers);
  expect(await readers.read(large(1), TERMS)).toMatchObject({ push: { count: 1 } });
  await waitUntil('its end', () => reasons.length > 0);
  expect(await readers.read(large(2), TERMS)).toMatchObject({ push: { count: 1 } });
  expect(readers.threads.started).toBe(0);
});

test('[V18] an end of the server while bodies are being read costs none of them its answer', async () => {
  for (const options of [{ workerFile: silent }, {}]) {
    const readers = await withThread(options);
    const reads = [1, 2, 3].map((number) => outcome(() => readers.read(large(number), TERMS)));
    await readers.close();
    const late = outcome(() => readers.read(large(4), TERMS));
    expect(await Promise.all([...reads, late])).toEqual(
      await Promise.all([1, 2, 3, 4].map((number) => outcome(() => readPush(large(number), TERMS)))),
    );
    expect(readers.threads.started).toBe(0);
  }
});

test('[V18] what waits for a thread is bounded, in number and in bytes', async () => {
  const many = await withThread({ workerFile: silent });
  let given = 0;
  const ask = (readers: Readers, body: PackedBody) => void readers.read(body, TERMS).then(() => (given += 1));
  for (let number = 0; number < 64; number += 1) ask(many, large(number));
  expect(await many.read(large(64), TERMS)).toMatchObject({ push: { count: 1 } });
  const heavy = await withThread({ workerFile: silent });
  const packed = large(1, BATCH_BYTES_MAX - 4_096);
  for (let number = 0; number < 8; number += 1) ask(heavy, packed);
  expect(await heavy.read(packed, TERMS)).toMatchObject({ push: { count: 1 } });
  expect(given).toBe(0);
});
