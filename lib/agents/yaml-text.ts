/**
 * An entry of a mapping, or an item of a list, in block style in a YAML document. The document is read to find the place,
 * and what is added is written there as text, so that nothing else is formatted anew. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  type Document,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type Node,
  parseDocument,
  stringify,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import type { Edit } from './wish.ts';
import { otherShape, styleOf, unreadable, withLineEnds } from './text.ts';

type YamlEdit = Extract<Edit, { format: 'yaml' | 'yaml-item' }>;

const INDENTATION = '  ';

export function setInYaml(text: string, edit: YamlEdit): string {
  const { mark, body, lineEnd } = styleOf(text);
  const root = read(body).contents;
  if (holds(body, root, edit)) return text;
  const after = added(body, root, edit, lineEnd);
  // Odd documents (an end mark, an alias) may read otherwise than they look.
  if (!isDeepStrictEqual(valueIn(after, edit.path), wanted(valueIn(body, edit.path), edit))) {
    throw otherShape(`${edit.path.join('.')} in it has no safe place for another entry.`);
  }
  return mark + after;
}

/** Only what is exactly as it was written goes, and what held nothing else with it. */
export function unsetInYaml(text: string, edit: YamlEdit): string {
  const { mark, body, lineEnd } = styleOf(text);
  let node: unknown = read(body).contents;
  let candidates: Written[] = [];
  for (const [depth, name] of edit.path.entries()) {
    if (!isMap(node) || !node.has(name)) return text;
    candidates = withCandidate(
      candidates,
      body,
      node,
      written(nested(edit, depth), indentationOf(body, node), lineEnd),
    );
    node = node.get(name, true);
  }
  if (edit.format === 'yaml-item') {
    if (!isSeq(node)) return text;
    candidates = withCandidate(candidates, body, node, written([edit.value], indentationOf(body, node), lineEnd));
  }
  for (const { lines, from } of candidates) {
    const at = body.indexOf(lines, from);
    if (at === lineStart(body, at)) return mark + body.slice(0, at) + body.slice(at + lines.length);
  }
  return text;
}

interface Written {
  lines: string;
  /** Where the collection begins that they are in. */
  from: number;
}

/** The outermost first; what holds something else stays, and so does what it is in. */
function withCandidate(outer: readonly Written[], body: string, node: YAMLMap | YAMLSeq, lines: string): Written[] {
  const from = lineStart(body, startOf(node));
  return [...(node.items.length > 1 ? [] : outer), { lines, from }];
}

/** It is there already: ours, or one of that name which is the user's. */
function holds(body: string, root: Node | null, edit: YamlEdit): boolean {
  const there = isMap(root) ? root.getIn(edit.path, true) : undefined;
  if (edit.format === 'yaml') return there !== undefined;
  return isSeq(there) && there.items.some((item) => textOf(body, item as Node).includes(edit.mark));
}

/** In the deepest collection on its path that is there, with what is missing on the way. */
function added(body: string, root: Node | null, edit: YamlEdit, lineEnd: string): string {
  const containers = edit.format === 'yaml' ? edit.path.slice(0, -1) : edit.path;
  if (root === null || !isMap(root) || !root.has(containers[0])) {
    const gap = body === '' || body.endsWith('\n') ? '' : lineEnd;
    return body + gap + written(nested(edit, 0), '', lineEnd);
  }
  let holder = root;
  for (const [depth, name] of containers.entries()) {
    const node = holder.get(name, true) as Node | undefined;
    if (node === undefined) return atStartOf(body, holder, nested(edit, depth), lineEnd);
    if (isEmpty(node)) return inPlaceOf(body, holder, name, node, nested(edit, depth + 1), lineEnd);
    const isLast = depth === containers.length - 1;
    if (isLast && edit.format === 'yaml-item' ? isSeq(node) : isMap(node)) {
      if (isLast) return atStartOf(body, node, nested(edit, depth + 1), lineEnd);
      holder = node as YAMLMap;
      continue;
    }
    throw otherShape(`${name} in it is not what it should be.`);
  }
  throw new Error('a path has a name at least');
}

/** Before the first entry of a collection in block style. */
function atStartOf(body: string, node: Node, value: unknown, lineEnd: string): string {
  const indentation = indentationOf(body, node);
  if (indentation === undefined) {
    throw otherShape('An entry in it is written in a way that has no safe place for another.');
  }
  const at = lineStart(body, startOf(node));
  return body.slice(0, at) + written(value, indentation, lineEnd) + body.slice(at);
}

/** `name:`, `name: null` and `name: {}` become the beginning of a block; a comment behind them stays. */
function inPlaceOf(body: string, holder: YAMLMap, name: string, node: Node, value: unknown, lineEnd: string): string {
  const key = holder.items.find((item) => isScalar(item.key) && item.key.value === name)?.key as Node;
  const [from, to] = [node.range?.[0] ?? 0, node.range?.[1] ?? 0];
  const start = lineStart(body, key.range?.[0] ?? 0);
  const indentation = /^[ \t]*/.exec(body.slice(start))?.[0] ?? '';
  const found = body.indexOf('\n', to);
  const end = found < 0 ? body.length : found + 1;
  const line = body.slice(start, from).trimEnd() + body.slice(to, end).trimEnd();
  return body.slice(0, start) + line + lineEnd + written(value, indentation + INDENTATION, lineEnd) + body.slice(end);
}

/** Of the lines of its entries; undefined where they do not stand on lines of their own. */
function indentationOf(body: string, node: Node): string | undefined {
  if (!isCollection(node) || node.flow === true) return undefined;
  const start = startOf(node);
  const before = body.slice(lineStart(body, start), start);
  const indentation = isSeq(node) ? before.replace(/-[ \t]+$/, '') : before;
  return /^ *$/.test(indentation) ? indentation : undefined;
}

/** Of the first key, or of what stands behind the first dash. */
function startOf(node: Node): number {
  const first: unknown = isMap(node) ? node.items[0]?.key : isSeq(node) ? node.items[0] : undefined;
  return (first as Node | undefined)?.range?.[0] ?? 0;
}

function lineStart(body: string, at: number): number {
  return body.lastIndexOf('\n', at - 1) + 1;
}

function textOf(body: string, node: Node): string {
  return body.slice(node.range?.[0] ?? 0, node.range?.[1] ?? 0);
}

function isEmpty(node: Node): boolean {
  if (isScalar(node)) return node.value === null && node.anchor === undefined;
  return isCollection(node) && node.items.length === 0 && node.anchor === undefined;
}

/** What is written below the first `depth` names of the path. */
function nested(edit: YamlEdit, depth: number): unknown {
  const value: unknown = edit.format === 'yaml-item' ? [edit.value] : edit.value;
  return edit.path.slice(depth).reduceRight((inner, name) => ({ [name]: inner }), value);
}

function wanted(before: unknown, edit: YamlEdit): unknown {
  return edit.format === 'yaml' ? edit.value : [edit.value, ...((before ?? []) as unknown[])];
}

function valueIn(body: string, path: readonly string[]): unknown {
  let value: unknown = read(body).toJS();
  for (const name of path) value = (value as Record<string, unknown> | null | undefined)?.[name];
  return value;
}

function read(body: string): Document.Parsed {
  const document = parseDocument(body);
  const [error] = document.errors;
  if (error !== undefined) throw unreadable('YAML', error.message.split('\n')[0] ?? '');
  const { contents } = document;
  if (contents !== null && !isMap(contents) && !(isScalar(contents) && contents.value === null)) {
    throw unreadable('YAML', 'it is not a mapping');
  }
  return document;
}

function written(value: unknown, indentation: string | undefined, lineEnd: string): string {
  const lines = stringify(value, { lineWidth: 0 }).replaceAll(/^(?=.)/gm, indentation ?? '');
  return withLineEnds(lines, lineEnd);
}
