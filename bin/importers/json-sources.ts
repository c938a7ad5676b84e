/** Other tools' memories: the graph of MCP's reference server, and the issues of beads; JSON lines both. Pure. */
import { type ImportRecord, idOf, shortened, TITLE_CHARACTERS } from './records.ts';

type Json = Readonly<Record<string, unknown>>;

/** @throws SyntaxError, with the number of the line in its message */
function linesOf(text: string): Json[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .flatMap((line, index) => {
      if (line.trim() === '') return [];
      try {
        const value: unknown = JSON.parse(line);
        return isObject(value) ? [value] : [];
      } catch {
        throw new SyntaxError(`line ${index + 1} is not JSON`);
      }
    });
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Entities with what was observed of them, and how they are related. */
export function graphRecords(text: string, projectId: string, modifiedMs: number): ImportRecord[] {
  const lines = linesOf(text);
  const relations = lines.filter(({ type }) => type === 'relation');
  return lines
    .filter(({ type, name }) => type === 'entity' && typeof name === 'string')
    .map((entity) => {
      const name = String(entity['name']);
      const observations = textsOf(entity['observations']);
      const related = relations
        .filter(({ from }) => from === name)
        .map(({ relationType, to }) => `${name} ${String(relationType)} ${String(to)}`);
      return {
        id: idOf(projectId, 'mcp-memory', name),
        title: shortened(name, TITLE_CHARACTERS),
        kind: 'note' as const,
        summary: [...observations, ...related].join('\n'),
        tags: ['mcp-memory', ...wordOf(entity['entityType'])],
        created_at: modifiedMs,
        updated_at: modifiedMs,
      };
    });
}

/** Issues: what was found is in the notes and the reason of closing. */
export function beadsRecords(text: string, projectId: string, modifiedMs: number): ImportRecord[] {
  return linesOf(text)
    .filter(({ id, title }) => typeof id === 'string' && typeof title === 'string')
    .map((issue) => {
      const createdMs = timeOf(issue['created_at']) ?? modifiedMs;
      const parts = ['description', 'design', 'acceptance_criteria'].flatMap((name) => textsOf([issue[name]]));
      return {
        id: idOf(projectId, 'beads', String(issue['id'])),
        title: shortened(String(issue['title']), TITLE_CHARACTERS),
        kind: 'note' as const,
        summary: parts.join('\n\n'),
        conclusion: textsOf([issue['close_reason'], issue['notes']]).join('\n\n'),
        tags: ['beads', ...wordOf(issue['issue_type']), ...wordOf(issue['status']), ...textsOf(issue['labels'])],
        refs: [String(issue['id'])],
        created_at: createdMs,
        updated_at: Math.max(createdMs, timeOf(issue['updated_at']) ?? createdMs),
      };
    });
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value)
    ? value.filter((item): item is string => typeof item === 'string' && item.trim() !== '')
    : [];
}

function wordOf(value: unknown): string[] {
  return typeof value === 'string' && value.trim() !== '' ? [value.trim()] : [];
}

function timeOf(value: unknown): number | undefined {
  const timeMs = typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
