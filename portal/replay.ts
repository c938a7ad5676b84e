/**
 * The ring of bytes between what the terminal has said and what its viewer has shown: every byte has a sequence number,
 * counted from 0. Holds what is not acknowledged yet, so that a viewer who comes back gets exactly what it missed.
 * Invariant: `firstSeq` <= every byte that can be asked for < `headSeq`; how much it holds is its owner's to bound, by
 * pausing what fills it.
 */
export class ReplayBuffer {
  #chunks: Buffer[] = [];
  /** Chunks before this one are released; the array is cut now and then, not for each. */
  #first = 0;
  #firstSeq = 0;
  #headSeq = 0;

  /** The oldest byte that is still here. */
  get firstSeq(): number {
    return this.#firstSeq;
  }

  /** The number that the next byte will have. */
  get headSeq(): number {
    return this.#headSeq;
  }

  get bytes(): number {
    return this.#headSeq - this.#firstSeq;
  }

  append(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#headSeq += chunk.length;
  }

  /** Lets go of everything before `seq`, as far as whole chunks go. */
  release(seq: number): void {
    for (;;) {
      const chunk = this.#chunks[this.#first];
      if (chunk === undefined || this.#firstSeq + chunk.length > seq) break;
      this.#firstSeq += chunk.length;
      this.#chunks[this.#first] = EMPTY;
      this.#first += 1;
    }
    if (this.#first > RELEASED_CHUNKS_MAX) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#first = 0;
    }
  }

  /** At most `bytesMax` bytes from `seq` on; empty at the head. Asking for what is released is a bug. */
  read(seq: number, bytesMax: number): Buffer {
    if (seq < this.#firstSeq || seq > this.#headSeq) throw new RangeError(`byte ${seq} is not in the ring`);
    const parts: Buffer[] = [];
    let at = this.#firstSeq;
    let wanted = Math.min(bytesMax, this.#headSeq - seq);
    for (let index = this.#startOf(seq, (skipped) => (at += skipped)); wanted > 0; index += 1) {
      const chunk = this.#chunks[index] ?? EMPTY;
      const from = Math.max(0, seq - at);
      const part = chunk.subarray(from, from + wanted);
      at += chunk.length;
      wanted -= part.length;
      parts.push(part);
    }
    return parts.length === 1 ? (parts[0] ?? EMPTY) : Buffer.concat(parts);
  }

  /** The chunk that holds `seq`. Readers are mostly at the head, so it is looked for from there. */
  #startOf(seq: number, skip: (bytes: number) => void): number {
    let index = this.#chunks.length;
    let start = this.#headSeq;
    while (index > this.#first && start > seq) {
      index -= 1;
      start -= this.#chunks[index]?.length ?? 0;
    }
    skip(start - this.#firstSeq);
    return index;
  }
}

const EMPTY = Buffer.alloc(0);
const RELEASED_CHUNKS_MAX = 256;

/**
 * How many bytes of `bytes` end with a whole character: a frame is cut there, so that no reader sees half of one. What
 * is no UTF-8 is never held back.
 */
export function wholeCharacters(bytes: Buffer): number {
  const last = Math.max(0, bytes.length - 4);
  for (let index = bytes.length - 1; index >= last; index -= 1) {
    const byte = bytes[index] ?? 0;
    if (byte < 0x80) return bytes.length;
    if (byte < 0xc0) continue; // Inside a character; its beginning is before.
    const length = byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte < 0xe0 ? 2 : 1;
    return index + length > bytes.length ? index : bytes.length;
  }
  return bytes.length;
}
