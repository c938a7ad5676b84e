/** What requests of several kinds are made of: ids, scopes, bounded texts and numbers. */
import * as v from 'valibot';
import {
  BATCH_CHANGES_MAX,
  EMBEDDING_DIMENSIONS_MAX,
  LABEL_CHARACTERS_MAX,
  RESULTS_MAX,
  SCOPE_CHARACTERS_MAX,
} from '../core/limits.ts';

/** An origin is an address or a file name. */
export const ORIGIN_CHARACTERS_MAX = 4_096;
/** A vector's bytes in base64. */
const VECTOR_CHARACTERS_MAX = Math.ceil(EMBEDDING_DIMENSIONS_MAX / 3) * 4;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NOT_PLAIN = /\p{Cc}|\p{Surrogate}/u;

export function plain(charactersMax: number) {
  return v.pipe(
    v.string('must be text'),
    v.check(
      (s) => s.length <= charactersMax && !NOT_PLAIN.test(s),
      `must be plain text of at most ${charactersMax} characters`,
    ),
  );
}

export const uuid = v.pipe(v.string('must be text'), v.regex(UUID, 'must be a UUID'));
export const scopeId = plain(SCOPE_CHARACTERS_MAX);
export const wholeNumber = v.pipe(v.number('must be a number'), v.safeInteger('must be a whole number'));
const limitMessage = `must be a whole number from 1 to ${RESULTS_MAX}`;
export const limit = v.pipe(
  v.number(limitMessage),
  v.check((n) => Number.isSafeInteger(n) && n >= 1 && n <= RESULTS_MAX, limitMessage),
);

export const namedScopeId = v.pipe(
  scopeId,
  v.check((s) => s !== '', 'must not be empty'),
);
export const batchLimit = v.pipe(limit, v.maxValue(BATCH_CHANGES_MAX, `must be at most ${BATCH_CHANGES_MAX}`));

export const seq = v.pipe(wholeNumber, v.minValue(0, 'must not be negative'));

export const time = v.pipe(wholeNumber, v.minValue(0, 'must not be before 1970'));

export const signedBytes = v.pipe(plain(VECTOR_CHARACTERS_MAX), v.regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64'));
export const generation = plain(LABEL_CHARACTERS_MAX);
export const meaning = v.optional(v.object({ generation, vector: signedBytes }));
