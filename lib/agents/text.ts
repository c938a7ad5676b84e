/** What texts of settings have in common: a mark of their encoding at the front, and their line ends. Pure. */
import { SmError } from '../core/errors.ts';

const BYTE_ORDER_MARK = '\uFEFF';

export interface TextStyle {
  /** Written at the front, and not part of the text. */
  mark: string;
  body: string;
  lineEnd: '\n' | '\r\n';
}

export function styleOf(text: string): TextStyle {
  const mark = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : '';
  const body = text.slice(mark.length);
  const lineEnd = /\r\n/.test(body) && !/[^\r]\n/.test(body) ? '\r\n' : '\n';
  return { mark, body, lineEnd };
}

/** Lines with the text's own ends. */
export function withLineEnds(lines: string, lineEnd: string): string {
  return lines.replaceAll('\n', lineEnd);
}

export function unreadable(kind: string, detail: string): SmError {
  return new SmError({
    code: 'config_invalid',
    message: `it cannot be read as ${kind} (${detail}).`,
    hint: 'Repair it first; nothing was changed.',
  });
}

export function otherShape(detail: string): SmError {
  return new SmError({ code: 'conflict', message: detail, hint: 'Make that entry by hand: see docs/AGENTS.md.' });
}
