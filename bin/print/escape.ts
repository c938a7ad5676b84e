/**
 * Makes stored text safe to show. Entries come from agents and other machines: an escape sequence in one could recolour,
 * rewrite or retitle the reader's terminal, and a bidirectional override could show a command that is not the one there.
 * Invariant: what leaves here holds no control character but line breaks and tabs, and those only from `escapeText`.
 */

/** C0, DEL, C1, line and paragraph separators, and the bidirectional controls. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;
const UNSAFE_KEEPING_LINES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** For one line: line breaks and tabs become blanks, the rest is shown as `\x1b`. */
export function escapeLine(text: string): string {
  return text.replaceAll(/\r\n|[\n\r\t]/g, ' ').replaceAll(UNSAFE, visible);
}

/** For running text: line breaks and tabs stay. */
export function escapeText(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(UNSAFE_KEEPING_LINES, visible);
}

/** JSON as `JSON.stringify` makes it, with the characters that it leaves raw and a terminal acts on as `\uXXXX`. */
export function escapeJson(json: string): string {
  return json.replaceAll(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function visible(character: string): string {
  const code = character.charCodeAt(0);
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
}
