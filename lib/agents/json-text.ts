/**
 * Entries in JSON, with comments and trailing commas as editors allow them. What is added is written as text at the end
 * of the object or list that it belongs to, so that not a byte of the rest is formatted anew. Pure.
 */
import {
  createScanner,
  findNodeAtLocation,
  getNodeValue,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
  stripComments,
} from 'jsonc-parser';
import type { Edit, JsonValue } from './wish.ts';
import { otherShape, styleOf, unreadable, withLineEnds } from './text.ts';

type JsonEdit = Extract<Edit, { format: 'json' | 'json-item' }>;
/** `SyntaxKind.CommaToken`, which is declared in a way that cannot be imported. */
const COMMA_TOKEN = 5;

type Path = readonly (string | number)[];

export function setInJson(text: string, edit: JsonEdit): string {
  const { mark, body: given, lineEnd } = styleOf(text);
  const body = given.trim() === '' ? `{}${lineEnd}` : given;
  const root = parsed(body);
  const container = edit.format === 'json' ? edit.path.slice(0, -1) : edit.path;
  checkContainers(root, container, edit.format === 'json' ? 'object' : 'array');
  const there = findNodeAtLocation(root, [...edit.path]);
  // Another value is the user's own: who wants ours takes theirs away.
  if (edit.format === 'json' && there !== undefined) return text;
  if (edit.format === 'json-item' && (there?.children ?? []).some((item) => textOf(body, item).includes(edit.mark))) {
    return text;
  }
  return mark + added(body, root, edit, lineEnd);
}

export function unsetInJson(text: string, edit: JsonEdit): string {
  const { mark, body } = styleOf(text);
  if (body.trim() === '') return text;
  const there = findNodeAtLocation(parsed(body), [...edit.path]);
  if (there === undefined) return text;
  if (edit.format === 'json') {
    if (JSON.stringify(getNodeValue(there)) !== JSON.stringify(edit.value)) return text;
    return mark + withoutEmpty(without(body, edit.path), edit.path.slice(0, -1));
  }
  const index = (there.children ?? []).findIndex((item) => textOf(body, item).includes(edit.mark));
  return index < 0 ? text : mark + withoutEmpty(without(body, [...edit.path, index]), edit.path);
}

/** The value at the end of the deepest object or list on its path that is there, with what is missing on the way. */
function added(body: string, root: Node, edit: JsonEdit, lineEnd: string): string {
  let depth = edit.path.length;
  let node = findNodeAtLocation(root, [...edit.path]);
  while (node === undefined && depth > 0) {
    depth -= 1;
    node = findNodeAtLocation(root, edit.path.slice(0, depth));
  }
  const missing = edit.path.slice(depth);
  const [key, ...rest] = missing;
  let value: JsonValue = edit.format === 'json-item' && key !== undefined ? [edit.value] : edit.value;
  for (const name of rest.toReversed()) value = { [name]: value };
  return inserted(body, node ?? root, key, value, lineEnd);
}

function inserted(body: string, container: Node, key: string | undefined, value: JsonValue, lineEnd: string): string {
  const unit = /^([ \t]+)\S/m.exec(body)?.[1] ?? '  ';
  const base = /^[ \t]*/.exec(body.slice(body.lastIndexOf('\n', container.offset - 1) + 1))?.[0] ?? '';
  const written = JSON.stringify(value, null, unit).replaceAll('\n', `\n${base}${unit}`);
  const property = key === undefined ? written : `${JSON.stringify(key)}: ${written}`;
  const closing = container.offset + container.length - 1;
  const inside = body.slice(container.offset + 1, closing);
  const last = container.children?.at(-1);
  const afterLast = last === undefined ? container.offset + 1 : last.offset + last.length;
  // What stands between the last item and the end may be a comma, and comments that may have commas in them.
  const hasComma = last === undefined || stripComments(body.slice(afterLast, closing)).includes(',');
  const end = container.offset + 1 + inside.trimEnd().length;
  const isClosedOnItsLine = /\n[ \t]*$/.test(body.slice(end, closing));
  // Where the last one has a comma after it, so has ours: then each can be taken away by itself.
  const comma = last !== undefined && hasComma ? ',' : '';
  const text = withLineEnds(`\n${base}${unit}${property}${comma}`, lineEnd) + (isClosedOnItsLine ? '' : lineEnd + base);
  const kept = isClosedOnItsLine ? body.slice(end) : body.slice(closing);
  return body.slice(0, afterLast) + (hasComma ? '' : ',') + body.slice(afterLast, end) + text + kept;
}

/** What held nothing else goes with it. */
function withoutEmpty(body: string, path: readonly string[]): string {
  const node = path.length === 0 ? undefined : findNodeAtLocation(parsed(body), [...path]);
  if (node === undefined || textOf(body, node).replaceAll(/\s/g, '').length > 2) return body;
  return withoutEmpty(without(body, path), path.slice(0, -1));
}

/** The property or item with its line and one comma, and no comment. */
function without(body: string, path: Path): string {
  const value = findNodeAtLocation(parsed(body), [...path]);
  if (value === undefined) return body;
  const node = typeof path.at(-1) === 'number' ? value : (value.parent ?? value);
  const siblings = node.parent?.children ?? [];
  const before = siblings[siblings.indexOf(node) - 1];
  const end = node.offset + node.length;
  const after = commaAfter(body, end);
  const comma = after ?? (before === undefined ? undefined : commaAfter(body, before.offset + before.length));
  const lineStart = body.lastIndexOf('\n', node.offset - 1);
  const isOnItsLine = lineStart >= 0 && body.slice(lineStart, node.offset).trim() === '';
  const start = isOnItsLine ? (body[lineStart - 1] === '\r' ? lineStart - 1 : lineStart) : node.offset;
  const cuts = [{ from: start, to: end }, ...(comma === undefined ? [] : [{ from: comma, to: comma + 1 }])];
  return cuts
    .toSorted((one, other) => other.from - one.from)
    .reduce((text, cut) => text.slice(0, cut.from) + text.slice(cut.to), body);
}

/** Where the next token is a comma, its place. */
function commaAfter(body: string, from: number): number | undefined {
  const scanner = createScanner(body, true);
  scanner.setPosition(from);
  return (scanner.scan() as number) === COMMA_TOKEN ? scanner.getTokenOffset() : undefined;
}

function parsed(body: string): Node {
  const errors: ParseError[] = [];
  const root = parseTree(body, errors, { allowTrailingComma: true });
  const [error] = errors;
  if (error !== undefined) {
    const line = body.slice(0, error.offset).split('\n').length;
    throw unreadable('JSON', `line ${line}: ${printParseErrorCode(error.error)}`);
  }
  if (root?.type !== 'object') throw unreadable('JSON', 'it is not an object');
  return root;
}

function checkContainers(root: Node, path: readonly string[], last: 'object' | 'array'): void {
  for (let depth = 1; depth <= path.length; depth += 1) {
    const node = findNodeAtLocation(root, path.slice(0, depth));
    const wanted = depth === path.length ? last : 'object';
    if (node !== undefined && node.type !== wanted) {
      throw otherShape(
        `${path.slice(0, depth).join('.')} in it is not ${wanted === 'object' ? 'an object' : 'a list'}.`,
      );
    }
  }
}

function textOf(body: string, node: Node): string {
  return body.slice(node.offset, node.offset + node.length);
}
