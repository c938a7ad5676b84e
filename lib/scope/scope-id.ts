/**
 * The gate for workspace and project ids that people give, by environment or configuration. Refuses ids that the store
 * would refuse later. Invariant: an id that passes is trimmed, not empty, and at most SCOPE_CHARACTERS_MAX long.
 */
import { SmError } from '../core/errors.ts';
import { SCOPE_CHARACTERS_MAX } from '../core/limits.ts';

/** What `process.env` is, as a parameter. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** C0 and C1 controls, as all that is outside these ranges: a `\p{Cc}` class costs 0.3 ms of every command. */
export const CONTROL_CHARACTER = /[^ -~\u00a0-\uffff]/;

/**
 * The id in `text`, or undefined where it is missing or blank: an empty variable means "not set", as shells use it.
 * The value itself is never shown, because a key pasted into the wrong place would be.
 * @param source names the variable or field for the message, for example `PROVENANT_PROJECT_ID`
 * @throws SmError `config_invalid`
 */
export function parseScopeId(text: string | undefined, source: string): string | undefined {
  const id = text?.trim() ?? '';
  if (id === '') return undefined;
  const fault = scopeIdFault(id);
  if (fault === undefined) return id;
  throw new SmError({
    code: 'config_invalid',
    message: `${source}: ${fault}.`,
    hint: `Set ${source} to a short name or id, or remove it to have the id found by itself.`,
    details: { field: source },
  });
}

/** What makes `id` unfit, in words that do not repeat it; undefined where nothing does. */
export function scopeIdFault(id: string): string | undefined {
  if (CONTROL_CHARACTER.test(id) || !id.isWellFormed()) return 'must not contain control characters or broken Unicode';
  if (characterCount(id) > SCOPE_CHARACTERS_MAX) {
    return `must have at most ${SCOPE_CHARACTERS_MAX} characters`;
  }
  return undefined;
}

/** Code points, which is how the limits of core count. */
export function characterCount(text: string): number {
  return Array.from(text).length;
}
