/**
 * Keeps a key out of what is shown. A server may send back whatever it was sent, and its words end up in reports,
 * errors and the brain's own notes.
 */
import { inspect } from 'node:util';
import { SmError } from '../lib/core/errors.ts';

const HIDDEN = '[hidden]';
/** Shorter texts are no keys, and hiding them would hide ordinary words. */
const SECRET_CHARACTERS_MIN = 6;

/** Plain data with the secrets in its texts replaced. */
export function withoutSecrets<T>(value: T, secrets: readonly (string | undefined)[]): T {
  const known = secrets.filter((secret) => secret !== undefined && secret.length >= SECRET_CHARACTERS_MIN) as string[];
  return known.length === 0 ? value : (hide(value, known) as T);
}

/** A failure as it is, or, where it repeats a secret, one that says the same without it. */
export function failureWithoutSecrets(error: unknown, secrets: readonly (string | undefined)[]): unknown {
  if (!(error instanceof SmError)) return error;
  const { error: code, ...rest } = withoutSecrets(error.toJSON(), secrets);
  const { cause } = error;
  const isCauseClean = cause !== undefined && withoutSecrets(inspect(cause), secrets) === inspect(cause);
  return new SmError({ code, ...rest, ...(isCauseClean ? { cause } : {}) });
}

function hide(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === 'string') return secrets.reduce((text, secret) => text.replaceAll(secret, HIDDEN), value);
  if (Array.isArray(value)) return value.map((item) => hide(item, secrets));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, hide(item, secrets)]));
}
