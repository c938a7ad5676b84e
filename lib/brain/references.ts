/** Finds the one entry that a person means by an id or the beginning of one. */
import { SmError } from '../core/errors.ts';
import type { Database } from '../store/database.ts';
import { type EntryWithHash, findByPrefix } from '../store/read.ts';
import type { EntryReference } from './contract.ts';

/** Fewer characters than this would match by accident. */
export const PREFIX_CHARACTERS_MIN = 4;
const CANDIDATES_MAX = 10;

/** @throws SmError `bad_request`, `not_found`, or `ambiguous` with the candidates in its details */
export async function findEntry(database: Database, reference: EntryReference): Promise<EntryWithHash> {
  const prefix = reference.idOrPrefix.trim().toLowerCase();
  if (!/^[0-9a-f-]+$/.test(prefix) || prefix.length > 36) {
    throw new SmError({
      code: 'bad_request',
      message: `${JSON.stringify(reference.idOrPrefix.slice(0, 60))} is not an entry id.`,
      hint: 'An id looks like 018f2b6c-…; "sm brain list" shows them. Its first few characters are enough.',
    });
  }
  if (prefix.length < PREFIX_CHARACTERS_MIN) {
    throw new SmError({
      code: 'bad_request',
      message: `The id "${prefix}" is too short.`,
      hint: `Give at least ${PREFIX_CHARACTERS_MIN} characters of it.`,
    });
  }
  const found = await findByPrefix(database, { workspaceId: reference.workspaceId, prefix, limit: CANDIDATES_MAX + 1 });
  const [only, second] = found;
  if (only === undefined) {
    throw new SmError({
      code: 'not_found',
      message: `No entry has the id ${prefix}${prefix.length < 36 ? '…' : ''}.`,
      hint: '"sm brain list --org --all" shows every entry of this workspace.',
    });
  }
  if (second === undefined) return only;
  throw new SmError({
    code: 'ambiguous',
    message: `${found.length > CANDIDATES_MAX ? `More than ${CANDIDATES_MAX}` : found.length} entries begin with ${prefix}.`,
    hint: `Give more characters: ${found
      .slice(0, CANDIDATES_MAX)
      .map(({ entry }) => `${entry.entryId} (${entry.title.slice(0, 60)})`)
      .join('; ')}`,
    details: {
      candidates: found.slice(0, CANDIDATES_MAX).map(({ entry }) => ({ entryId: entry.entryId, title: entry.title })),
    },
  });
}
