/** When a command is worth a warning that it was tried and failed. Pure; measured by `npm run eval`. */
import type { RecallHit } from '../../lib/brain/recall-contract.ts';
import { hasFailed } from '../../lib/core/failed.ts';

/** A warning interrupts: what is found must be more than barely relevant. docs/AGENTS.md has what other values give. */
export const WARNING_RELEVANCE_MIN = 0.4;
/** The foremost that are looked at. */
export const WARNING_HITS_MAX = 5;
/** Commands of a word or two (`ls`, `git status`) are no experiment. */
const COMMAND_WORDS_MIN = 3;
const COMMAND_CHARACTERS_MAX = 2_000;

/**
 * What the brain is asked about a shell command: its words, without what the language of queries would take for its own,
 * since a command has dashes, quotes and colons. Undefined for what is too short to be an experiment.
 */
export function questionOf(command: string): string | undefined {
  const text = command.slice(0, COMMAND_CHARACTERS_MAX);
  if ((text.match(/[\p{L}\p{N}]+/gu) ?? []).length < COMMAND_WORDS_MIN) return undefined;
  return (text.match(/[\p{L}\p{N}_./@-]+/gu) ?? []).map((word) => word.replace(/^-+/, '')).join(' ');
}

/** The first of the hits that failed and is near enough. */
export function failureAmong(hits: readonly RecallHit[], relevanceMin = WARNING_RELEVANCE_MIN): RecallHit | undefined {
  return hits.find((hit) => hit.reasons.relevance >= relevanceMin && hasFailed(hit));
}
