/** Bodies: packed and unpacked alike, and never more than they may be. */
import zlib from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { acceptedCoding, encodeBody, parseJson, readBody } from '../../lib/protocol/body.ts';

const BOUNDS = { packedBytesMax: 64 * 1024, bytesMax: 256 * 1024 };

/** A body that notes how much of it was taken. */
class Source {
  taken = 0;
  readonly #chunk: Uint8Array;
  readonly #chunks: number;

  constructor(chunk: Uint8Array, chunks = 1) {
    this.#chunk = chunk;
    this.#chunks = chunks;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < this.#chunks; sent += 1) {
      this.taken += this.#chunk.length;
      yield this.#chunk;
    }
  }
}

test('[S21] what is packed comes out as it went in', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.jsonValue(),
      fc.constantFrom('br' as const, 'gzip' as const, undefined),
      async (value, coding) => {
        const { bytes, coding: used } = await encodeBody({ value, filler: 'x'.repeat(2_000) }, coding);
        const read = parseJson(await readBody(new Source(bytes), used, BOUNDS));
        expect(JSON.stringify(read)).toBe(JSON.stringify({ value, filler: 'x'.repeat(2_000) }));
      },
    ),
  );
});

test('[S21] a flood is read up to its bound and no further', async () => {
  const flood = new Source(new Uint8Array(16 * 1024), 100_000);
  await expect(readBody(flood, undefined, BOUNDS)).rejects.toMatchObject({ code: 'too_large' });
  expect(flood.taken).toBeLessThanOrEqual(BOUNDS.bytesMax + 16 * 1024);
  const packed = new Source(new Uint8Array(16 * 1024), 100_000);
  await expect(readBody(packed, 'gzip', BOUNDS)).rejects.toMatchObject({ code: 'too_large' });
  expect(packed.taken).toBeLessThanOrEqual(BOUNDS.packedBytesMax + 16 * 1024);
});

test('[S21] a small body that unpacks to much is cut off', async () => {
  const zeros = Buffer.alloc(64 * 1024 * 1024);
  const bombs: [string, Uint8Array][] = [
    ['gzip', zlib.gzipSync(zeros)],
    ['br', zlib.brotliCompressSync(zeros, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ['deflate', zlib.deflateSync(zeros)],
  ];
  for (const [coding, bytes] of bombs) {
    expect(bytes.length).toBeLessThan(BOUNDS.packedBytesMax + 16 * 1024);
    await expect(readBody(new Source(bytes), coding, { ...BOUNDS, packedBytesMax: 1024 * 1024 })).rejects.toMatchObject(
      {
        code: 'too_large',
      },
    );
  }
});

test('[S21] a body that is not what its header says, or in no known coding, is refused', async () => {
  const text = new TextEncoder().encode('{"a":1}');
  for (const coding of ['gzip', 'br', 'deflate']) {
    await expect(readBody(new Source(text), coding, BOUNDS)).rejects.toMatchObject({ code: 'bad_request' });
  }
  await expect(readBody(new Source(text), 'zstd', BOUNDS)).rejects.toMatchObject({ code: 'unsupported_media' });
  expect(() => parseJson(new Uint8Array([0xff, 0xfe]))).toThrow(/not valid JSON/);
  expect(() => parseJson(new TextEncoder().encode('{'))).toThrow(/not valid JSON/);
});

test('[S21] the coding of an answer is one that was asked for', () => {
  expect(acceptedCoding('gzip, br')).toBe('br');
  expect(acceptedCoding('gzip;q=1.0, br;q=0')).toBe('gzip');
  expect(acceptedCoding('identity')).toBeUndefined();
  expect(acceptedCoding(undefined)).toBeUndefined();
  expect(acceptedCoding('*')).toBeUndefined();
});
