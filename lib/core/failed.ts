/** Whether an entry tells of a way that is not to be gone again. Pure. */
import type { Entry } from './entry.ts';

/** What an experiment says that did not go well. */
const FAILED =
  /\b(?:fail(?:s|ed|ure|ing)?|(?:do|does|did|is|was|could|can)(?:n['’]t| not| never) (?:work|help|matter|worth)|no (?:gain|effect|improvement|difference|benefit)|revert\w*|rolled? back|abandon\w*|gave up|dead end|rejected|not worth)\b/iu;
/** What it may say as well of the price of something that went well, or of what was there before. */
const WORSENED = /\b(?:slower|worse|regress\w*|broke)\b/iu;
/** That it went well, and stays. */
const KEPT = /(?<!\b(?:not|never|n['’]t) )\b(?:kept|keep it|adopted|shipped|merged|works well|in production now)\b/iu;

export function hasFailed({
  title,
  conclusion,
  summary,
  tags,
}: Pick<Entry, 'title' | 'conclusion' | 'summary' | 'tags'>): boolean {
  if (tags.some((tag) => /^(?:failed|failure|rejected|dead-end)$/i.test(tag))) return true;
  const told = conclusion === '' ? `${title}\n${summary}` : `${title}\n${conclusion}`;
  return FAILED.test(told) || (WORSENED.test(told) && !KEPT.test(told));
}
