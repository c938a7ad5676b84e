/** Files of instructions and memories (CLAUDE.md, AGENTS.md): a note for each section that says something. Pure. */
import { removeBlock } from '../../lib/agents/marked-text.ts';
import { type ImportRecord, idOf, sectionsOf, shortened, TITLE_CHARACTERS } from './records.ts';

/** Shorter ones are a heading's breath. */
const BODY_CHARACTERS_MIN = 20;

export function instructionRecords(
  file: { path: string; text: string; modifiedMs: number },
  projectId: string,
): ImportRecord[] {
  const seen = new Map<string, number>();
  const trail: string[] = [];
  return sectionsOf(removeBlock(file.text)).flatMap(({ level, title, body }) => {
    trail.length = Math.max(0, level - 1);
    trail[Math.max(0, level - 1)] = title;
    const name = trail.filter((part) => part !== undefined && part !== '').join(' › ') || file.path;
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    if (body.length < BODY_CHARACTERS_MIN) return [];
    return [
      {
        id: idOf(projectId, 'instructions', file.path, name, String(times)),
        title: shortened(name, TITLE_CHARACTERS),
        kind: 'note' as const,
        summary: body,
        agent: 'human',
        tags: ['instructions'],
        refs: [file.path],
        created_at: file.modifiedMs,
        updated_at: file.modifiedMs,
      },
    ];
  });
}
