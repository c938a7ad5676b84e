/**
 * What is said where a question to the brain found nothing: how to begin where it holds nothing at all, otherwise the
 * nearest misses, as such, and the wider questions that were not asked yet. All of it is talk, on stderr.
 */
import type { Brain } from '../lib/brain/contract.ts';
import type { Entry } from '../lib/core/entry.ts';
import { idCharacters } from '../lib/core/short-ids.ts';
import type { Context, Location, Options } from './command.ts';
import { escapeLine } from './print/escape.ts';

const TO_BEGIN = 'Nothing is recorded yet. Begin with: sm brain record --title "…" --conclusion "…"\n';

const WIDER = {
  org: '--org for all projects',
  all: '--all for superseded and retracted entries too',
} as const;

/** @param wider the flags of this command that ask for more */
export async function writeNothing(
  context: Context,
  brain: Brain,
  location: Location,
  options: Options,
  wider: readonly (keyof typeof WIDER)[],
  misses: readonly Entry[] = [],
): Promise<void> {
  if (misses.length === 0 && (await isEmpty(brain, location))) {
    await context.stderr.write(TO_BEGIN);
    return;
  }
  const ways: string[] = wider.filter((flag) => !options.isSet(flag)).map((flag) => WIDER[flag]);
  if (misses.length > 0) ways.unshift('--loose for more of these');
  await context.stderr.write(missLines(misses) + (ways.length === 0 ? '' : `Try ${ways.join(', or ')}.\n`));
}

async function isEmpty(brain: Brain, { workspaceId }: Location): Promise<boolean> {
  const entries = await brain.run('list', { scope: { workspaceId, projectId: null }, includeInactive: true, limit: 1 });
  return entries.length === 0;
}

function missLines(misses: readonly Entry[]): string {
  if (misses.length === 0) return '';
  const characters = idCharacters(misses.map(({ entryId }) => entryId));
  const lines = misses.map(({ entryId, title }) => `  ${entryId.slice(0, characters)}  ${escapeLine(title)}\n`);
  return `Nearest misses, probably about something else:\n${lines.join('')}`;
}
