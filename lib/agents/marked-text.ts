/** A block between markers, in prose (HTML comments) or in settings with `#` comments. Pure. */
import { styleOf, withLineEnds } from './text.ts';

interface Markers {
  begin: string;
  end: string;
}

const PROSE: Markers = { begin: '<!-- stackmemory:begin -->', end: '<!-- stackmemory:end -->' };
/** Of formats with `#` comments. */
export const HASH: Markers = { begin: '# stackmemory:begin', end: '# stackmemory:end' };

/** The block at the end of the text, or in the place of an older one. Lines of `block` end with `\n`, the last one, too. */
export function addBlock(text: string, block: string, markers: Markers = PROSE): string {
  const { mark, body, lineEnd } = styleOf(text);
  const written = withLineEnds(`${markers.begin}\n${block}${markers.end}\n`, lineEnd);
  const there = placeOf(body, markers);
  if (there !== undefined) {
    const present = body.slice(there.from, there.to);
    // Of a text with both kinds of line ends no block is of the right kind.
    if (present.replaceAll('\r\n', '\n').trimEnd() === written.replaceAll('\r\n', '\n').trimEnd()) return text;
    return mark + body.slice(0, there.from) + written + body.slice(there.to);
  }
  if (body === '') return mark + written;
  const gap = body.endsWith('\n') ? lineEnd : lineEnd + lineEnd;
  return mark + body + gap + written;
}

export function removeBlock(text: string, markers: Markers = PROSE): string {
  const { mark, body, lineEnd } = styleOf(text);
  const there = placeOf(body, markers);
  if (there === undefined) return text;
  const before = body.slice(0, there.from);
  // The empty line before it came with it.
  const kept = before.endsWith(lineEnd + lineEnd) ? before.slice(0, -lineEnd.length) : before;
  return mark + kept + body.slice(there.to);
}

export function hasBlock(text: string, markers: Markers = PROSE): boolean {
  return placeOf(styleOf(text).body, markers) !== undefined;
}

/** Where the block begins and ends; markers that stand otherwise than a block's are nobody's. */
function placeOf(body: string, { begin, end }: Markers): { from: number; to: number } | undefined {
  const from = body.indexOf(begin);
  const last = from < 0 ? -1 : body.indexOf(end, from);
  if (last < 0) return undefined;
  const lineEnd = /^\r?\n/.exec(body.slice(last + end.length))?.[0] ?? '';
  return { from, to: last + end.length + lineEnd.length };
}
