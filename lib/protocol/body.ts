/**
 * Bodies: JSON, compressed where it pays, and never more than they may be. A body is read in pieces and cut off at its
 * bound, so that neither a flood nor a small body that unpacks to gigabytes reaches memory.
 */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { SmError } from '../core/errors.ts';

/** Content codings that both sides speak, the preferred first. */
export const CODINGS = ['br', 'gzip'] as const;
export type Coding = (typeof CODINGS)[number];

/** Below this a body is not worth compressing. */
const COMPRESS_BYTES_MIN = 256;
const COMPRESS_AT_ONCE_BYTES_MAX = 16 * 1024;
/** Brotli 4 packs entries a tenth smaller than gzip 6 in half of its time. */
const BROTLI_QUALITY = 4;
const GZIP_LEVEL = 6;

const gzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gzip);
const brotli = promisify<Uint8Array, zlib.BrotliOptions, Buffer>(zlib.brotliCompress);

export interface EncodedBody {
  bytes: Uint8Array<ArrayBuffer>;
  coding: Coding | undefined;
}

/** `value` as JSON, in the given coding where it pays. */
export async function encodeBody(value: unknown, coding: Coding | undefined): Promise<EncodedBody> {
  const plain = Buffer.from(JSON.stringify(value), 'utf8');
  if (coding === undefined || plain.length < COMPRESS_BYTES_MIN) return { bytes: plain, coding: undefined };
  return { bytes: new Uint8Array(await pack(plain, coding)), coding };
}

/** A small body at once: its turn in the pool of threads would take longer than the packing. */
function pack(plain: Buffer, coding: Coding): Buffer | Promise<Buffer> {
  const isSmall = plain.length <= COMPRESS_AT_ONCE_BYTES_MAX;
  if (coding === 'gzip') {
    const options = { level: GZIP_LEVEL };
    return isSmall ? zlib.gzipSync(plain, options) : gzip(plain, options);
  }
  const options = {
    params: {
      [zlib.constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
      [zlib.constants.BROTLI_PARAM_MODE]: zlib.constants.BROTLI_MODE_TEXT,
      [zlib.constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
    },
  };
  return isSmall ? zlib.brotliCompressSync(plain, options) : brotli(plain, options);
}

/** The coding to answer in, by the request's `Accept-Encoding`. */
export function acceptedCoding(acceptEncoding: string | undefined): Coding | undefined {
  const offered = new Map(
    (acceptEncoding ?? '').split(',').map((part) => {
      const [name = '', ...parameters] = part.trim().toLowerCase().split(';');
      const quality = parameters.map((text) => /^\s*q=([\d.]+)$/.exec(text)?.[1]).find((text) => text !== undefined);
      return [name.trim(), Number(quality ?? 1)] as const;
    }),
  );
  return CODINGS.find((coding) => (offered.get(coding) ?? 0) > 0);
}

/** A body as it came, and how it is packed. */
export interface PackedBody {
  bytes: Uint8Array;
  coding: 'identity' | 'br' | 'gzip' | 'deflate';
}

export interface BodyBounds {
  packedBytesMax: number;
  bytesMax: number;
}

/**
 * The whole of a body as bytes, unpacked.
 * @param contentEncoding as the header gives it; absent or `identity` for none
 * @throws SmError `too_large` beyond either bound, `bad_request` for what does not unpack, `unsupported_media`
 */
export async function readBody(
  chunks: AsyncIterable<Uint8Array>,
  contentEncoding: string | undefined,
  bounds: BodyBounds,
): Promise<Buffer> {
  return unpackBody(await collectBody(chunks, contentEncoding, bounds), bounds.bytesMax);
}

/** The whole of a body as it comes. @throws SmError `too_large`, `unsupported_media` */
export async function collectBody(
  chunks: AsyncIterable<Uint8Array>,
  contentEncoding: string | undefined,
  { packedBytesMax, bytesMax }: BodyBounds,
): Promise<PackedBody> {
  const coding = codingOf((contentEncoding ?? '').trim().toLowerCase());
  return { bytes: await collect(chunks, coding === 'identity' ? bytesMax : packedBytesMax), coding };
}

function codingOf(named: string): PackedBody['coding'] {
  switch (named) {
    case '':
    case 'identity':
      return 'identity';
    case 'gzip':
    case 'x-gzip':
      return 'gzip';
    case 'br':
    case 'deflate':
      return named;
    default:
      throw new SmError({
        code: 'unsupported_media',
        message: `Bodies in the coding "${named.slice(0, 40)}" are not understood.`,
        hint: 'Use gzip, br or no Content-Encoding.',
      });
  }
}

/**
 * At once, and not in the pool of threads: what is small is unpacked sooner than it would have its turn there, and what is
 * large is unpacked in a thread of its own.
 * @throws SmError `too_large` beyond `bytesMax`, `bad_request` for what does not unpack
 */
export function unpackBody({ bytes, coding }: PackedBody, bytesMax: number): Buffer {
  if (coding === 'identity') return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const unpack =
    coding === 'br' ? zlib.brotliDecompressSync : coding === 'deflate' ? zlib.inflateSync : zlib.gunzipSync;
  try {
    return unpack(bytes, { maxOutputLength: bytesMax });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(bytesMax);
    throw new SmError({ code: 'bad_request', message: `The body is not valid ${coding}.`, cause: error });
  }
}

/** @throws SmError `bad_request` */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    throw new SmError({ code: 'bad_request', message: 'The body is not valid JSON in UTF-8.', cause: error });
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

function tooLarge(bytesMax: number): SmError {
  return new SmError({
    code: 'too_large',
    message: `The body has more than ${bytesMax / 1024 / 1024} MiB.`,
    hint: 'Send fewer changes at a time.',
  });
}
