/**
 * An entry of a mapping at the top of a YAML document. The document is read to find the place, and the entry is written
 * there as text, so that nothing else is formatted anew. Pure.
 */
import { isMap, isScalar, parseDocument, stringify, type YAMLMap } from 'yaml';
import type { Edit } from './wish.ts';
import { otherShape, styleOf, unreadable, withLineEnds } from './text.ts';

type YamlEdit = Extract<Edit, { format: 'yaml' }>;

export function setInYaml(text: string, edit: YamlEdit): string {
  const { mark, body, lineEnd } = styleOf(text);
  const [parent, name] = edit.path;
  const root = rootOf(body);
  const there = root?.get(parent, true);
  if (there === undefined || (isScalar(there) && there.value === null && root?.has(parent) !== true)) {
    const gap = body === '' || body.endsWith('\n') ? '' : lineEnd;
    return mark + body + gap + written({ [parent]: { [name]: edit.value } }, '', lineEnd);
  }
  if (!isMap(there) || there.flow === true || there.items.length === 0) {
    throw otherShape(`${parent} in it is written in a way that has no safe place for another entry.`);
  }
  if (there.has(name)) return text;
  const start = startOf(there);
  const indentation = body.slice(body.lastIndexOf('\n', start - 1) + 1, start);
  if (indentation.trim() !== '') throw otherShape(`${parent} in it does not begin on a line of its own.`);
  const at = start - indentation.length;
  return mark + body.slice(0, at) + written({ [name]: edit.value }, indentation, lineEnd) + body.slice(at);
}

/** Only what is exactly as it was written goes. */
export function unsetInYaml(text: string, edit: YamlEdit): string {
  const { mark, body, lineEnd } = styleOf(text);
  const [parent, name] = edit.path;
  const there = rootOf(body)?.get(parent, true);
  if (!isMap(there) || !there.has(name)) return text;
  if (there.items.length === 1) {
    const whole = written({ [parent]: { [name]: edit.value } }, '', lineEnd);
    return mark + body.replace(whole, '');
  }
  const indentation = /^[ \t]*/.exec(body.slice(body.lastIndexOf('\n', startOf(there) - 1) + 1))?.[0] ?? '';
  return mark + body.replace(written({ [name]: edit.value }, indentation, lineEnd), '');
}

function startOf(map: YAMLMap): number {
  const key = map.items[0]?.key;
  return isScalar(key) ? (key.range?.[0] ?? 0) : 0;
}

function rootOf(body: string): YAMLMap | undefined {
  const document = parseDocument(body);
  const [error] = document.errors;
  if (error !== undefined) throw unreadable('YAML', error.message.split('\n')[0] ?? '');
  const { contents } = document;
  if (contents === null) return undefined;
  if (isMap(contents)) return contents;
  throw unreadable('YAML', 'it is not a mapping');
}

function written(value: unknown, indentation: string, lineEnd: string): string {
  const lines = stringify(value, { lineWidth: 0 }).replaceAll(/^(?=.)/gm, indentation);
  return withLineEnds(lines, lineEnd);
}
