/** Vectors of embeddings as they are handed on: a signed byte for each dimension, as base64. Types alone. */

/** The model of a brain's vectors. Another one, or the same that answers otherwise than before, is another generation. */
export interface VectorModel {
  /** What the user calls it. */
  model: string;
  generation: string;
  dimensions: number;
  /** Base64: what the model made of a text that is always the same. */
  probe: string;
}

/** What a question means. */
export interface Meaning {
  /** Of the vectors that it can be compared with; to any other brain it says nothing. */
  generation: string;
  /** Base64. */
  vector: string;
}

/** What an entry means. */
export interface StoredVector {
  entryId: string;
  workspaceId: string;
  /** SHA-256 of the text that was embedded. */
  textHash: string;
  /** Base64. */
  data: string;
}
