/** Commits whose messages say why: the subject is the title, the body the conclusion. Pure. */
import type { Commit } from '../../lib/scope/git.ts';
import { type ImportRecord, idOf, shortened, TITLE_CHARACTERS } from './records.ts';

/** A body that says less says nothing that the subject does not. */
const BODY_CHARACTERS_MIN = 40;
const TRAILER = /^(?:co-authored-by|signed-off-by|reviewed-by|acked-by|tested-by|change-id|cc|generated-by):/i;

export function commitRecords(commits: readonly Commit[], projectId: string): ImportRecord[] {
  return commits.flatMap(({ hash, timeMs, subject, body }) => {
    const said = body
      .split('\n')
      .filter((line) => !TRAILER.test(line))
      .join('\n')
      .trim();
    if (said.length < BODY_CHARACTERS_MIN) return [];
    return [
      {
        id: idOf(projectId, 'commit', hash),
        title: shortened(subject, TITLE_CHARACTERS),
        kind: 'insight' as const,
        conclusion: said,
        tags: ['commit'],
        refs: [hash],
        created_at: timeMs,
        updated_at: timeMs,
      },
    ];
  });
}
