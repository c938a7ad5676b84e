/**
 * The bundle that finds secrets: secretlint's recommended rules, and shapes that they lack. Alone, because only what
 * stores or sends text loads it. Time is linear in the text: 4 ms for 100 KiB.
 */
import type { SecretLintRuleContext, SecretLintSourceCode } from '@secretlint/types';
import { rules as recommended } from '@secretlint/secretlint-rule-preset-recommend';
import { findShapes, type FoundSecret } from './shapes.ts';

export type { FoundSecret } from './shapes.ts';

const RULE_PREFIX = '@secretlint/secretlint-rule-';

/** All but the one by which a comment in the text, `secretlint-disable`, turns the others off. */
const RULES = recommended.filter(({ meta }) => meta.id !== `${RULE_PREFIX}filter-comments`);

const SAMPLE_CHARACTERS = 12;
const SAMPLE_VARIETY_MAX = 3;

/**
 * What in `text` looks like a secret, in order and without overlaps. The rules are run here and not by secretlint's own
 * core: that keeps a hundred marks of each run for as long as the process lives.
 */
export async function findSecrets(text: string): Promise<FoundSecret[]> {
  const found = findShapes(text);
  const source = sourceOf(text);
  for (const rule of RULES) {
    const kind = rule.meta.id.slice(RULE_PREFIX.length);
    const context: SecretLintRuleContext = {
      sharedOptions: {},
      // What a rule would say is not asked for; its data are.
      createTranslator: () => (messageId, data) => ({ message: '', messageId, data }) as never,
      report: ({ range, message }) => found.push({ ...placeOf(text, range, message.data as object), kind }),
      ignore: () => undefined,
    };
    await rule.create(context, {}).file?.(source);
  }
  return withoutOverlaps(found.filter(({ start, end }) => !isSample(text.slice(start, end))));
}

/** As a rule sees a file that exists nowhere. */
function sourceOf(text: string): SecretLintSourceCode {
  return {
    hasBOM: false,
    content: text,
    filePath: '/entry.txt',
    ext: '.txt',
    contentType: 'text',
    getFilePath: () => '/entry.txt',
  } as unknown as SecretLintSourceCode;
}

/**
 * A rule tells the secret among its data, and where it stands. Where the two disagree (of AWS keys it tells the place of
 * their name, and would leave the end of the key) the secret itself counts.
 */
function placeOf(
  text: string,
  [start, end]: readonly [number, number],
  data: object | undefined,
): { start: number; end: number } {
  let place = { start, end };
  let longest = 0;
  for (const value of Object.values(data ?? {})) {
    if (typeof value !== 'string' || value.length <= longest) continue;
    const at = text.indexOf(value, start);
    if (at === -1 || at > end) continue;
    longest = value.length;
    place = { start: at, end: at + value.length };
  }
  return place;
}

/** `ghp_xxxxxxxx`: its end repeats a few characters, as no key does. */
function isSample(secret: string): boolean {
  return new Set(secret.slice(-SAMPLE_CHARACTERS)).size <= SAMPLE_VARIETY_MAX;
}

/** Of two that overlap the union, by the name of the first. */
function withoutOverlaps(found: FoundSecret[]): FoundSecret[] {
  const merged: FoundSecret[] = [];
  for (const each of found.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const last = merged.at(-1);
    if (last !== undefined && each.start < last.end) last.end = Math.max(last.end, each.end);
    else merged.push({ ...each });
  }
  return merged;
}
