/**
 * Vectors of embeddings, and how near the entries of a workspace are to a question. Pure. Owns what "near" means: not a
 * cosine, whose range is another with each model, but how far an entry stands out from all others for this question.
 */

const BYTE_MAX = 127;

/** Of fewer entries nobody can say which one stands out. */
export const VECTORS_MIN = 32;
/**
 * In standard deviations above the median of all entries: where nearness begins, and what is added to it until it is whole.
 * Of a thousand entries that have nothing to do with a question the nearest is 3 to 4 above by chance (docs/RECALL.md).
 */
const NEAR_BEGINS = 3;
const NEAR_SPAN = 4;
/** A standard deviation as a multiple of the median deviation, which the few that stand out do not move. */
const DEVIATIONS_OF_MEDIAN = 1.4826;

/** A signed byte for each dimension; undefined for what has no direction. A cosine loses less than 0.01 by it. */
export function packVector(values: readonly number[]): Int8Array | undefined {
  let greatest = 0;
  for (const value of values) greatest = Math.max(greatest, Math.abs(value));
  if (!Number.isFinite(greatest) || greatest === 0) return undefined;
  return Int8Array.from(values, (value) => Math.round((value / greatest) * BYTE_MAX));
}

export function toBase64(vector: Int8Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
}

export function fromBase64(text: string): Int8Array {
  return new Int8Array(Buffer.from(text, 'base64'));
}

export function cosine(one: Int8Array, other: Int8Array): number {
  if (one.length !== other.length) return 0;
  return dot(one, other, 0) / (lengthOf(one) * lengthOf(other));
}

/** What a question is near to. */
export interface Nearness {
  /** From 0 to 1; undefined for an entry that has no vector. */
  of(entryId: string): number | undefined;
  /** The entries that are near at all, the nearest first. */
  nearest: readonly string[];
}

/** The vectors of a workspace, in memory: a byte for each dimension of each. */
export class VectorTable {
  readonly dimensions: number;
  readonly #places = new Map<string, number>();
  #bytes: Int8Array;
  #lengths: Float32Array;

  constructor(dimensions: number, expected = VECTORS_MIN) {
    this.dimensions = dimensions;
    this.#bytes = new Int8Array(dimensions * expected);
    this.#lengths = new Float32Array(expected);
  }

  get size(): number {
    return this.#places.size;
  }

  /** One of another length is none of this table's, and left out. */
  set(entryId: string, vector: Int8Array): void {
    if (vector.length !== this.dimensions) return;
    const place = this.#places.get(entryId) ?? this.#places.size;
    if (place >= this.#lengths.length) this.#grow();
    this.#places.set(entryId, place);
    this.#bytes.set(vector, place * this.dimensions);
    this.#lengths[place] = lengthOf(vector);
  }

  /** Undefined where there are too few to tell. @param limit of the nearest */
  nearnessTo(question: Int8Array, limit: number): Nearness | undefined {
    const count = this.#places.size;
    if (count < VECTORS_MIN || question.length !== this.dimensions) return undefined;
    const cosines = new Float64Array(count);
    const length = lengthOf(question);
    for (let place = 0; place < count; place += 1) {
      const product = dot(question, this.#bytes, place * this.dimensions);
      cosines[place] = product / Math.max(length * (this.#lengths[place] ?? 0), Number.MIN_VALUE);
    }
    const middle = medianOf(cosines);
    const deviation = DEVIATIONS_OF_MEDIAN * medianOf(cosines.map((value) => Math.abs(value - middle)));
    if (deviation === 0) return undefined;
    const near = (place: number): number => {
      const above = ((cosines[place] ?? 0) - middle) / deviation;
      return Math.min(1, Math.max(0, (above - NEAR_BEGINS) / NEAR_SPAN));
    };
    const standing = [...this.#places].flatMap(([entryId, place]) =>
      near(place) > 0 ? [{ entryId, cosine: cosines[place] ?? 0 }] : [],
    );
    return {
      of: (entryId) => {
        const place = this.#places.get(entryId);
        return place === undefined ? undefined : near(place);
      },
      nearest: standing
        .toSorted((a, b) => b.cosine - a.cosine || (a.entryId < b.entryId ? 1 : -1))
        .slice(0, limit)
        .map(({ entryId }) => entryId),
    };
  }

  #grow(): void {
    const bytes = new Int8Array(this.#bytes.length * 2);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    const lengths = new Float32Array(this.#lengths.length * 2);
    lengths.set(this.#lengths);
    this.#lengths = lengths;
  }
}

/** In whole numbers, which is a third quicker; the greatest sum that there can be fits into 31 bits nine times over. */
function dot(one: Int8Array, others: Int8Array, from: number): number {
  let sum = 0;
  for (let index = 0; index < one.length; index += 1) {
    sum = (sum + Math.imul(one[index] ?? 0, others[from + index] ?? 0)) | 0;
  }
  return sum;
}

function medianOf(values: Float64Array): number {
  return values.toSorted()[values.length >> 1] ?? 0;
}

function lengthOf(vector: Int8Array): number {
  return Math.sqrt(dot(vector, vector, 0));
}
