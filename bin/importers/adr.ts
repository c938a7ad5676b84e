/**
 * Architecture decision records: Markdown files as Nygard's template and MADR have them. The decision is the
 * conclusion, what speaks of it the summary; "superseded by" leads to the other record's entry. Pure.
 */
import { type ImportRecord, idOf, sectionsOf, shortened, TITLE_CHARACTERS } from './records.ts';

export interface AdrFile {
  /** From the root of the folder, with slashes. */
  path: string;
  text: string;
  modifiedMs: number;
}

const DECISION = /^(?:decision(?: outcome)?|we (?:decided|will))\b/i;
const CONTEXT = /^(?:context|problem|considered options|decision drivers|consequences|pros and cons)\b/i;

/** Files that are no records (an index, a template) give none. */
export function adrRecords(files: readonly AdrFile[], projectId: string, folder: string): ImportRecord[] {
  const paths = new Set(files.map(({ path }) => path));
  return files.flatMap((file) => {
    const sections = sectionsOf(file.text);
    const heading = sections.find(({ level }) => level === 1);
    const decision = sections.filter(({ title }) => DECISION.test(title)).map(({ body }) => body);
    if (heading === undefined || decision.length === 0 || /template/i.test(file.path)) return [];
    const status = statusOf(file.text, sections.find(({ title }) => /^status\b/i.test(title))?.body);
    const dateMs = dateOf(file.text) ?? file.modifiedMs;
    const successor = successorOf(status, paths);
    const context = sections.filter(({ title, body }) => CONTEXT.test(title) && body !== '');
    return [
      {
        id: idOf(projectId, 'adr', `${folder}/${file.path}`),
        title: shortened(titleOf(heading.title), TITLE_CHARACTERS),
        kind: 'decision' as const,
        conclusion: decision.join('\n\n'),
        summary: context.map(({ title, body }) => `${title}: ${body}`).join('\n\n'),
        agent: 'human',
        tags: ['adr', ...statusTags(status)],
        refs: [`${folder}/${file.path}`],
        ...(successor === undefined
          ? {}
          : { status: 'superseded' as const, supersededBy: idOf(projectId, 'adr', `${folder}/${successor}`) }),
        created_at: dateMs,
        updated_at: Math.max(dateMs, file.modifiedMs),
      },
    ];
  });
}

/** Without its number: `3. Use PostgreSQL`, `ADR-003: Use PostgreSQL`. */
function titleOf(heading: string): string {
  return heading.replace(/^(?:adr[-_ ]?)?\d+\s*[.:–-]\s*/i, '').trim() || heading;
}

/** Of its section, of the front matter, or of a line `Status: …`. */
function statusOf(text: string, section: string | undefined): string {
  if (section !== undefined && section !== '') return section;
  return /^(?:\*\s*)?\**status\**\s*:\s*(.+)$/im.exec(text)?.[1]?.trim() ?? '';
}

function statusTags(status: string): string[] {
  const word = /\b(proposed|accepted|rejected|deprecated|superseded|draft)\b/i.exec(status)?.[1]?.toLowerCase();
  return word === undefined ? [] : [word];
}

/** The file that a status names as what took its place. */
function successorOf(status: string, paths: ReadonlySet<string>): string | undefined {
  const after = /superse?ded\s+by\s+([\s\S]*)/i.exec(status)?.[1];
  if (after === undefined) return undefined;
  const linked = /\]\((?:\.\/)?([^)#]+\.md)[^)]*\)/.exec(after)?.[1];
  if (linked !== undefined && paths.has(linked)) return linked;
  const number = /\d+/.exec(after)?.[0];
  if (number === undefined) return undefined;
  return [...paths].find((path) => Number(/(?:^|\/)(?:adr[-_]?)?(\d+)/i.exec(path)?.[1] ?? NaN) === Number(number));
}

function dateOf(text: string): number | undefined {
  const date = /^(?:\*\s*)?\**date\**\s*:\s*["']?(\d{4}-\d{2}-\d{2})/im.exec(text)?.[1];
  const dateMs = date === undefined ? NaN : Date.parse(`${date}T00:00:00Z`);
  return Number.isNaN(dateMs) ? undefined : dateMs;
}
