/** Cutting, padding and wrapping by columns rather than characters. Input has passed escape.ts and holds no colours. */
import type { View } from './view.ts';

type Measure = Pick<View, 'measure'>;

/** Made at first use: it costs a third of a command's whole time. */
let graphemes: Intl.Segmenter | undefined;

/** `text` in at most `width` columns, with `…` where it was cut. */
export function truncate(view: Measure, text: string, width: number): string {
  if (view.measure(text) <= width) return text;
  let kept = '';
  let columns = 0;
  for (const { segment } of (graphemes ??= new Intl.Segmenter()).segment(text)) {
    columns += view.measure(segment);
    if (columns > width - 1) break;
    kept += segment;
  }
  return `${kept.trimEnd()}…`;
}

/** `text` filled up with blanks to `width` columns. */
export function pad(view: Measure, text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - view.measure(text)));
}

/** Lines of at most `width` columns; the text's own line breaks stay. Words longer than a line are broken. */
export function wrap(view: Measure, text: string, width: number): string[] {
  if (width === Infinity) return text.split('\n');
  return text.split('\n').flatMap((line) => wrapLine(view, line.replaceAll('\t', '  '), Math.max(1, width)));
}

function wrapLine(view: Measure, line: string, width: number): string[] {
  if (view.measure(line) <= width) return [line];
  const indent = /^ */.exec(line)?.[0].slice(0, Math.floor(width / 2)) ?? '';
  const lines: string[] = [];
  let current = indent;
  let currentColumns = indent.length;
  const flush = () => {
    lines.push(current.trimEnd());
    current = indent;
    currentColumns = indent.length;
  };
  for (const word of line.trim().split(/ +/)) {
    const wordColumns = view.measure(word);
    if (currentColumns > indent.length && currentColumns + wordColumns > width) flush();
    if (currentColumns + wordColumns <= width) {
      current += `${word} `;
      currentColumns += wordColumns + 1;
      continue;
    }
    for (const { segment } of (graphemes ??= new Intl.Segmenter()).segment(word)) {
      const columns = view.measure(segment);
      if (currentColumns + columns > width && currentColumns > indent.length) flush();
      current += segment;
      currentColumns += columns;
    }
    current += ' ';
    currentColumns += 1;
  }
  if (current.trim() !== '') flush();
  return lines;
}
