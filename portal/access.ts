/**
 * Who gets in: the token, the cookies that it is exchanged for, and links that let somebody look once. Owns the files
 * `token` and `shares.json` of the portal's private directory. Cookies are signed with a key made from the token, so
 * that they survive a restart, and another token ends them all at once.
 * Invariant: no secret is compared but by hash and in constant time, and none is kept where its hash will do.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { SmError } from '../lib/core/errors.ts';
import { writePrivateFile } from '../lib/host/private-file.ts';
import { explainFileError } from '../lib/store/file-errors.ts';
import { SESSION_NAME } from './protocol.ts';

/** What somebody may do. */
export interface Principal {
  isReadOnly: boolean;
  /** The only session that may be looked at, or any. */
  session?: string;
  /** When the login ends by itself. */
  expiresMs: number;
}

export interface Share {
  secret: string;
  expiresMs: number;
}

const TOKEN_CHARACTERS = 48;
const TOKEN = /^[A-Za-z0-9]{48}$/;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const COOKIE_AGE_MS = 30 * 24 * 3_600_000;
const COOKIE_CHARACTERS_MAX = 512;
export const SHARE_AGE_MAX_MS = 7 * 24 * 3_600_000;
const SHARES_MAX = 100;
/** Longer ones are not looked at. */
const SECRET_CHARACTERS_MAX = 256;

const cookieSchema = v.strictObject({
  r: v.picklist(['full', 'look']),
  e: v.pipe(v.number(), v.safeInteger()),
  n: v.string(),
  s: v.optional(v.pipe(v.string(), v.regex(SESSION_NAME))),
});
const sharesSchema = v.array(
  v.strictObject({ hash: v.string(), expiresMs: v.number(), session: v.pipe(v.string(), v.regex(SESSION_NAME)) }),
);
type KeptShare = v.InferOutput<typeof sharesSchema>[number];

export class Access {
  readonly #directory: string;
  readonly #nowMs: () => number;
  #token: string;

  /** The directory is private and ours. Makes the token where there is none. */
  constructor(directory: string, nowMs: () => number) {
    this.#directory = directory;
    this.#nowMs = nowMs;
    this.#token = readToken(directory) ?? writeToken(directory);
  }

  get token(): string {
    return this.#token;
  }

  isToken(given: string): boolean {
    return given.length <= SECRET_CHARACTERS_MAX && isSameSecret(given, this.#token);
  }

  /** Another token: whoever has a cookie of the last one is out. */
  rotate(): string {
    this.#writeShares([]); // First: where that fails, nothing has changed, and the caller is told so.
    this.#token = writeToken(this.#directory);
    return this.#token;
  }

  fullPrincipal(): Principal {
    return { isReadOnly: false, expiresMs: this.#nowMs() + COOKIE_AGE_MS };
  }

  cookieOf({ isReadOnly, session, expiresMs }: Principal): string {
    const body = Buffer.from(
      JSON.stringify({
        r: isReadOnly ? 'look' : 'full',
        e: expiresMs,
        n: randomBytes(12).toString('base64url'),
        ...(session === undefined ? {} : { s: session }),
      }),
    ).toString('base64url');
    return `${body}.${this.#sign(body)}`;
  }

  /** Whose cookie it is, or undefined where it is forged, of an earlier token, or too old. */
  principalOf(cookie: string | undefined): Principal | undefined {
    if (cookie === undefined || cookie.length > COOKIE_CHARACTERS_MAX) return undefined;
    const [body = '', signature = ''] = cookie.split('.');
    if (!isSameSecret(signature, this.#sign(body))) return undefined;
    const { r, e, s } = v.parse(cookieSchema, JSON.parse(Buffer.from(body, 'base64url').toString('utf8')));
    if (e <= this.#nowMs()) return undefined;
    return { isReadOnly: r === 'look', expiresMs: e, ...(s === undefined ? {} : { session: s }) };
  }

  /** A secret for a link that lets one browser look at one session. @throws SmError `too_large` where there are too many */
  share(session: string, ageMs: number): Share {
    const kept = this.#readShares();
    if (kept.length >= SHARES_MAX) {
      throw new SmError({
        code: 'too_large',
        message: `There are ${SHARES_MAX} links that nobody has used yet.`,
        hint: 'Wait until some expire, or end all with sm portal token --rotate.',
      });
    }
    const secret = randomCharacters(TOKEN_CHARACTERS);
    const expiresMs = this.#nowMs() + Math.min(ageMs, SHARE_AGE_MAX_MS);
    this.#writeShares([...kept, { hash: hashOf(secret).toString('hex'), expiresMs, session }]);
    return { secret, expiresMs };
  }

  /** What the link lets do; it is used up by this. */
  useShare(secret: string): Principal | undefined {
    if (secret.length > SECRET_CHARACTERS_MAX) return undefined;
    const hash = hashOf(secret);
    const kept = this.#readShares();
    const share = kept.find((candidate) => isSameHash(Buffer.from(candidate.hash, 'hex'), hash));
    if (share === undefined) return undefined;
    this.#writeShares(kept.filter((candidate) => candidate !== share));
    return { isReadOnly: true, session: share.session, expiresMs: share.expiresMs };
  }

  #sign(body: string): string {
    return createHmac('sha256', `stackmemory portal cookie ${this.#token}`).update(body).digest('base64url');
  }

  /** The links that are still good. A file that cannot be read as what it should be holds none. */
  #readShares(): KeptShare[] {
    const result = v.safeParse(sharesSchema, readJson(path.join(this.#directory, 'shares.json')));
    return result.success ? result.output.filter(({ expiresMs }) => expiresMs > this.#nowMs()) : [];
  }

  #writeShares(shares: readonly KeptShare[]): void {
    writePrivateFile(path.join(this.#directory, 'shares.json'), `${JSON.stringify(shares)}\n`);
  }
}

/** Compared by hash: neither length nor first difference shows in the time it takes. */
export function isSameSecret(given: string, expected: string): boolean {
  return isSameHash(hashOf(given), hashOf(expected));
}

function isSameHash(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function tokenFile(directory: string): string {
  return path.join(directory, 'token');
}

function readToken(directory: string): string | undefined {
  const file = tokenFile(directory);
  try {
    if (!fs.existsSync(file)) return undefined;
    const text = fs.readFileSync(file, 'utf8').trim();
    if (process.platform !== 'win32' && (fs.statSync(file).mode & 0o077) !== 0) fs.chmodSync(file, 0o600);
    // One that was cut short or written by hand is no token: another takes its place.
    return TOKEN.test(text) ? text : undefined;
  } catch (error) {
    throw explainFileError(error, file);
  }
}

function writeToken(directory: string): string {
  const token = randomCharacters(TOKEN_CHARACTERS);
  writePrivateFile(tokenFile(directory), `${token}\n`);
  return token;
}

/** Undefined where there is none, or it is damaged. @throws SmError where it cannot be read */
export function readJson(file: string): unknown {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw explainFileError(error, file);
  }
}

/** Every character equally likely: bytes beyond the last whole multiple of the alphabet are thrown away. */
function randomCharacters(count: number): string {
  const limit = 256 - (256 % ALPHABET.length);
  let text = '';
  while (text.length < count) {
    for (const byte of randomBytes(count)) {
      if (byte < limit && text.length < count) text += ALPHABET[byte % ALPHABET.length];
    }
  }
  return text;
}
