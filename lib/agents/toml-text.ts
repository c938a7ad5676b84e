/** A table in TOML, appended as a marked block: TOML has no order that would matter. Pure. */
import { parse } from 'smol-toml';
import type { Edit } from './wish.ts';
import { addBlock, HASH, hasBlock, removeBlock } from './marked-text.ts';
import { otherShape, styleOf, unreadable } from './text.ts';

type TomlEdit = Extract<Edit, { format: 'toml' }>;

export function setInToml(text: string, { table, value }: TomlEdit): string {
  const before = parsed(styleOf(text).body);
  if (!hasBlock(text, HASH)) {
    let there: unknown = before;
    for (const key of table.split('.')) {
      if (there !== undefined && !isTable(there)) throw otherShape(`${table} in it is not a table.`);
      there = there?.[key];
    }
    if (there !== undefined) return text; // The user's own.
  }
  const lines = Object.entries(value).map(
    ([key, item]) => `${key} = ${JSON.stringify(item).replaceAll('","', '", "')}\n`,
  );
  const changed = addBlock(text, `[${table}]\n${lines.join('')}`, HASH);
  parsed(styleOf(changed).body); // An inline table of that name would not take another.
  return changed;
}

export function unsetInToml(text: string, _edit: TomlEdit): string {
  return removeBlock(text, HASH);
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(body: string): Record<string, unknown> {
  try {
    return parse(body);
  } catch (error) {
    throw unreadable('TOML', (error as Error).message.split('\n')[0] ?? '');
  }
}
