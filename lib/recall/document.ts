/**
 * An entry as the index sees it: how much of each term it has, and how long it is. Pure; a document and its stored form
 * say exactly the same, so that an entry ranks alike whether it is in a segment yet or not.
 */
import type { Entry } from '../core/entry.ts';
import { subjectRefs } from '../core/provenance.ts';
import { termsOf } from './words.ts';

/** What an occurrence in a field counts, in halves: a title says more of what an entry is about than a tag does. */
export const FIELD_WEIGHTS = { title: 4, conclusion: 2, summary: 2, tags: 1, refs: 1 } as const;
/** The most that a term can weigh in one document, in halves; by then more of it adds nothing to its rank. */
export const WEIGHT_MAX = 255;

/** Steps to a doubling of length: two percent apart. */
const LENGTH_STEPS = 16;
const LENGTH_CODE_MAX = 255;
/** Attributes are terms that no text can have. A longer one is cut, and the entry itself decides. */
const ATTRIBUTE_CHARACTERS_MAX = 120;

/** What of an entry the index depends on. */
export type Indexed = Pick<
  Entry,
  'title' | 'conclusion' | 'summary' | 'tags' | 'refs' | 'projectId' | 'agent' | 'kind' | 'status'
>;

/** The terms of an entry's texts, each in its order. */
export interface FieldTerms {
  title: readonly string[];
  conclusion: readonly string[];
  summary: readonly string[];
}

export interface Document {
  /** Weight of each term, in halves, from 1 to WEIGHT_MAX. */
  weights: Map<string, number>;
  /** What it can be filtered by. */
  attributes: string[];
  lengthCode: number;
}

export function documentOf(entry: Indexed): Document {
  return analyse(entry).document;
}

/** The document of an entry, and the terms of its texts in their order. */
export function analyse(entry: Indexed): { document: Document; fields: FieldTerms } {
  const weights = new Map<string, number>();
  let length = 0;
  const add = (text: string, weight: number): string[] => {
    const terms = termsOf(text);
    for (const term of terms) weights.set(term, Math.min(WEIGHT_MAX, (weights.get(term) ?? 0) + weight));
    length += weight * terms.length;
    return terms;
  };
  const fields = {
    title: add(entry.title, FIELD_WEIGHTS.title),
    conclusion: add(entry.conclusion, FIELD_WEIGHTS.conclusion),
    summary: add(entry.summary, FIELD_WEIGHTS.summary),
  };
  add(entry.tags.join('\n'), FIELD_WEIGHTS.tags);
  add(subjectRefs(entry.refs).join('\n'), FIELD_WEIGHTS.refs);
  return { document: { weights, attributes: attributesOf(entry), lengthCode: lengthCodeOf(length) }, fields };
}

function attributesOf({ projectId, agent, kind, status, tags, refs }: Indexed): string[] {
  return [
    ...new Set([
      attribute('project', projectId),
      attribute('agent', agent),
      attribute('kind', kind),
      attribute('status', status),
      ...tags.map((tag) => attribute('tag', tag)),
      ...refs.map((ref) => attribute('ref', ref)),
    ]),
  ];
}

/** The term of an attribute: `=kind:decision`. Tags and refs are found in any case. */
export function attribute(name: 'project' | 'agent' | 'kind' | 'status' | 'tag' | 'ref', value: string): string {
  const folded = name === 'tag' || name === 'ref' ? value.toLowerCase() : value;
  // No text of PostgreSQL's has a NUL.
  return `=${name}:${folded.slice(0, ATTRIBUTE_CHARACTERS_MAX).toWellFormed().replaceAll('\0', '')}`;
}

/** A length in halves as one byte, to within two percent. */
export function lengthCodeOf(length: number): number {
  return Math.min(LENGTH_CODE_MAX, Math.round(LENGTH_STEPS * Math.log2(1 + length)));
}

export function lengthOf(lengthCode: number): number {
  return 2 ** (lengthCode / LENGTH_STEPS) - 1;
}
