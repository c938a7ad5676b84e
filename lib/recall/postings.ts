/**
 * The stored form of a term's postings in one segment: for each document that has it, in order, the distance to the one
 * before (7 bits to a byte, the lowest first, the eighth bit for "more follows"), the term's weight, and the document's
 * length code. Pure. Reading refuses what writing cannot have made.
 */
import type { Document } from './document.ts';

/** Documents of a segment at most: what is read, written and held at once. */
export const SEGMENT_DOCUMENTS_MAX = 1_024;

export interface Posting {
  /** Place of the document in its segment. */
  place: number;
  weight: number;
  lengthCode: number;
}

/** The postings of every term and attribute of the documents, which are in the order of their places. By term, sorted. */
export function encodeSegment(documents: Document[]): Map<string, Uint8Array> {
  const lists = new Map<string, { bytes: number[]; lastPlace: number }>();
  const add = (term: string, place: number, weight: number, lengthCode: number): void => {
    let list = lists.get(term);
    if (list === undefined) lists.set(term, (list = { bytes: [], lastPlace: -1 }));
    let distance = place - list.lastPlace - 1;
    for (; distance > 0x7f; distance >>>= 7) list.bytes.push((distance & 0x7f) | 0x80);
    list.bytes.push(distance, weight, lengthCode);
    list.lastPlace = place;
  };
  documents.forEach(({ weights, attributes, lengthCode }, place) => {
    for (const [term, weight] of weights) add(term, place, weight, lengthCode);
    for (const term of attributes) add(term, place, 0, lengthCode);
  });
  const terms = [...lists.keys()].toSorted();
  return new Map(terms.map((term) => [term, Uint8Array.from(lists.get(term)?.bytes ?? [])]));
}

/** Calls `visit` for each posting, without making an object of it. @throws Error where the bytes are none of ours */
export function visitPostings(
  data: Uint8Array,
  visit: (place: number, weight: number, lengthCode: number) => void,
): void {
  let place = -1;
  for (let at = 0; at < data.length;) {
    let distance = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = data[at++] ?? 0xff;
      distance |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte > 0x7f && shift < 14);
    place += distance + 1;
    const weight = data[at++];
    const lengthCode = data[at++];
    if (byte > 0x7f || place >= SEGMENT_DOCUMENTS_MAX || weight === undefined || lengthCode === undefined) {
      throw new Error('postings that cannot be read');
    }
    visit(place, weight, lengthCode);
  }
}

export function decodePostings(data: Uint8Array): Posting[] {
  const postings: Posting[] = [];
  visitPostings(data, (place, weight, lengthCode) => postings.push({ place, weight, lengthCode }));
  return postings;
}
