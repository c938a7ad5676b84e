/** The texts of an entry that its writer chose: what is searched for secrets and private parts. Pure. */
import type { EntryContent } from './entry.ts';

export type Texts = Pick<EntryContent, 'title' | 'summary' | 'conclusion' | 'tags' | 'refs'>;

export function textsOf({ title, summary, conclusion, tags, refs }: Partial<Texts>): string[] {
  const single = [title, summary, conclusion].filter((text) => text !== undefined);
  return [...single, ...(tags ?? []), ...(refs ?? [])];
}

/** The same fields with each text changed; one that is absent stays absent. */
export function mapTexts<T extends Partial<Texts>>(fields: T, change: (text: string) => string): T {
  const changed: Partial<Texts> = {};
  for (const name of ['title', 'summary', 'conclusion'] as const) {
    const text = fields[name];
    if (text !== undefined) changed[name] = change(text);
  }
  for (const name of ['tags', 'refs'] as const) {
    const labels = fields[name];
    if (labels !== undefined) changed[name] = labels.map(change);
  }
  return { ...fields, ...changed };
}
