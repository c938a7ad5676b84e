/**
 * Splits a stream of bytes into lines of strict UTF-8, however long the stream is. A line that is too long or not UTF-8
 * is told as such and the next one is read: one bad line is no reason to lose the others.
 */

/** More than any entry takes, with every character escaped: longer lines are skipped without being kept. */
export const LINE_BYTES_MAX = 4 * 1024 * 1024;

export type Line = { number: number; text: string; bytes: number } | { number: number; fault: string };

const NEWLINE = 0x0a;

export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  let number = 1;
  for await (const chunk of chunks) {
    let start = 0;
    while (start < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, start);
      const end = newline === -1 ? chunk.length : newline;
      bytes += end - start;
      if (bytes > LINE_BYTES_MAX) pieces = [];
      else pieces.push(chunk.subarray(start, end));
      start = end + 1;
      if (newline === -1) continue;
      yield toLine(number, pieces, bytes);
      number += 1;
      pieces = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield toLine(number, pieces, bytes);
}

function toLine(number: number, pieces: readonly Uint8Array[], bytes: number): Line {
  if (bytes > LINE_BYTES_MAX) return { number, fault: `The line is longer than ${LINE_BYTES_MAX / 1024 / 1024} MiB.` };
  try {
    return { number, text: new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)), bytes };
  } catch {
    // The decoder says no more than that.
    return { number, fault: 'The line is not valid UTF-8.' };
  }
}
