/** Whether an entry tells of a way that is not to be gone again. Pure. */
import type { Entry } from './entry.ts';

/** What an experiment says that did not go well. */
const FAILED =
  /\b(?:fail(?:s|ed|ure|ing)?|(?:do|does|did|is|was|could|can)(?:n['’]t| not| never) (?:work|help|matter|worth)|no (?:gain|effect|improvement|difference|benefit)|slower|worse|regress\w*|revert\w*|rolled? back|abandon\w*|gave up|dead end|broke|rejected|not worth)\b/iu;

export function hasFailed({
  title,
  conclusion,
  summary,
  tags,
}: Pick<Entry, 'title' | 'conclusion' | 'summary' | 'tags'>): boolean {
  if (tags.some((tag) => /^(?:failed|failure|rejected|dead-end)$/i.test(tag))) return true;
  return FAILED.test(conclusion === '' ? `${title}\n${summary}` : `${title}\n${conclusion}`);
}
