/**
 * How many bytes may be on their way to a viewer, unacknowledged. Twice what the path holds at the rate that it was seen
 * to deliver (the bandwidth-delay product): less starves a long path, more is only a longer queue before a slow
 * terminal, and so a later Ctrl-C. Pure: time is a parameter. Invariant: BASE <= bytes <= MAX.
 */

/** Enough for any terminal on a short path; at 5 MB/s a queue of 26 ms. */
export const WINDOW_BASE_BYTES = 128 * 1024;
/** What a viewer may cost in memory: 7 MB/s at half a second of round trip. */
export const WINDOW_MAX_BYTES = 4 * 1024 * 1024;

/** Twice the product: the second half is what keeps the path busy while acknowledgements are on their way. */
const GAIN = 2;
/**
 * Added to the round trip, in milliseconds: the shortest is of a moment when both ends were idle, and busy ones keep each
 * other waiting. Only a fast reader gains by it, whom it costs no more than this.
 */
const SCHEDULING_MS = 5;
/** Rates and round trips older than this are forgotten, in milliseconds: a train leaves its tunnel. */
const MEMORY_MS = 10_000;
/** Marks that are kept, one a frame; frames beyond are not measured. */
const MARKS_MAX = 256;

interface Mark {
  seq: number;
  sentMs: number;
  /** What had been acknowledged when it was sent, and when that was. */
  ackedSeq: number;
  ackedMs: number;
  /** Nothing was on its way: no queue of ours is in its time. */
  isFirst: boolean;
}

export class Window {
  #bytes = WINDOW_BASE_BYTES;
  #roundTripMs: number | undefined;
  #roundTripAtMs = 0;
  #bytesPerMs = 0;
  #rateAtMs = 0;
  #ackedSeq: number;
  #ackedMs: number;
  readonly #marks: Mark[] = [];

  constructor(ackedSeq: number, nowMs: number) {
    this.#ackedSeq = ackedSeq;
    this.#ackedMs = nowMs;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The shortest of late, or undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** A frame that ends before `seq` was handed over. */
  sent(seq: number, nowMs: number): void {
    // On an idle path the time since the last acknowledgement says nothing about the rate.
    const isFirst = this.#marks.length === 0;
    if (isFirst) this.#ackedMs = nowMs;
    if (this.#marks.length >= MARKS_MAX) return;
    this.#marks.push({ seq, sentMs: nowMs, ackedSeq: this.#ackedSeq, ackedMs: this.#ackedMs, isFirst });
  }

  acknowledged(seq: number, nowMs: number): void {
    let reached: Mark | undefined;
    while (this.#marks[0] !== undefined && this.#marks[0].seq <= seq) reached = this.#marks.shift();
    this.#ackedSeq = seq;
    this.#ackedMs = nowMs;
    if (reached === undefined) return;
    this.#noteRoundTrip(nowMs - reached.sentMs, reached.isFirst, nowMs);
    this.#noteRate((seq - reached.ackedSeq) / Math.max(1, nowMs - reached.ackedMs), nowMs);
    const product = this.#bytesPerMs * ((this.#roundTripMs ?? 0) + SCHEDULING_MS);
    this.#bytes = Math.round(Math.min(WINDOW_MAX_BYTES, Math.max(WINDOW_BASE_BYTES, GAIN * product)));
  }

  /**
   * In a flood every frame waits behind those before it. Were such a time taken for the path's, the window would grow,
   * and the next time with it; so an old one gives way only to one without a queue.
   */
  #noteRoundTrip(ms: number, isFirst: boolean, nowMs: number): void {
    const isOld = isFirst && nowMs - this.#roundTripAtMs >= MEMORY_MS;
    if (this.#roundTripMs !== undefined && ms > this.#roundTripMs && !isOld) return;
    this.#roundTripMs = ms;
    this.#roundTripAtMs = nowMs;
  }

  #noteRate(bytesPerMs: number, nowMs: number): void {
    if (bytesPerMs < this.#bytesPerMs && nowMs - this.#rateAtMs < MEMORY_MS) return;
    this.#bytesPerMs = bytesPerMs;
    this.#rateAtMs = nowMs;
  }
}
