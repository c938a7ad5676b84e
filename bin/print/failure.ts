/** A failure for people: what happened, what to do, and the candidates of an ambiguous id. */
import type { SmError } from '../../lib/core/errors.ts';
import { escapeLine } from './escape.ts';

/** Candidates that are listed. */
const CANDIDATES_MAX = 20;

export function renderFailure(error: SmError): string {
  const candidates = candidatesOf(error);
  // As a list they are easier to read than in a hint that names them all in one line.
  const hint = candidates.length > 0 ? 'Give more characters of the id.' : error.hint;
  const lines = [`sm: ${escapeLine(error.message)}`, ...candidates.map((candidate) => `  ${candidate}`)];
  if (hint !== undefined) lines.push(`    ${escapeLine(hint)}`);
  if (error.code === 'internal') lines.push('    SM_DEBUG=1 shows the stack.');
  return `${lines.join('\n')}\n`;
}

/** `details.candidates` as the brain gives them: an id and a title each. */
function candidatesOf(error: SmError): string[] {
  const candidates = error.details?.['candidates'];
  if (!Array.isArray(candidates)) return [];
  return candidates.slice(0, CANDIDATES_MAX).map((candidate: unknown) => {
    const { entryId = '', title = '' } = (candidate ?? {}) as { entryId?: string; title?: string };
    return escapeLine(`${entryId}  ${title}`.trim());
  });
}
