/** What every source gives: plain records as `sm brain import` takes them, with ids that stay. */
import { uuidOf } from '../../lib/protocol/identity.ts';

export interface ImportRecord {
  /** The same for the same thing in the source, so that importing again changes nothing and a change is a new version. */
  id: string;
  title: string;
  kind: 'experiment' | 'decision' | 'insight' | 'note';
  summary?: string;
  conclusion?: string;
  agent?: string;
  tags?: string[];
  refs?: string[];
  status?: 'active' | 'superseded';
  supersededBy?: string;
  /** Milliseconds since the epoch. */
  created_at: number;
  updated_at: number;
}

/** @param parts where in the project the thing is */
export function idOf(projectId: string, ...parts: string[]): string {
  return uuidOf(`stackmemory source ${JSON.stringify([projectId, ...parts])}`);
}

/** Cuts at a character, with an ellipsis. */
export function shortened(text: string, charactersMax: number): string {
  const characters = [...text];
  return characters.length <= charactersMax ? text : `${characters.slice(0, charactersMax - 1).join('')}…`;
}

export const TITLE_CHARACTERS = 200;

export interface Section {
  /** 1 to 6; 0 for what comes before the first heading. */
  level: number;
  title: string;
  body: string;
}

/** A Markdown text by its headings (`#`, not underlined ones); what looks like one inside a code block is none. */
export function sectionsOf(markdown: string): Section[] {
  const sections: Section[] = [{ level: 0, title: '', body: '' }];
  let fence: string | undefined;
  for (const line of markdown.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (mark !== undefined && (fence === undefined || (mark.startsWith(fence) && line.trim() === mark))) {
      fence = fence === undefined ? mark : undefined;
    }
    const heading = fence === undefined ? /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line) : null;
    if (heading !== null) sections.push({ level: heading[1]?.length ?? 1, title: heading[2] ?? '', body: '' });
    else (sections.at(-1) as Section).body += `${line}\n`;
  }
  return sections.map((section) => ({ ...section, body: section.body.trim() }));
}
