/** Words of another program, such as a server, that end up on a terminal and in a log. Pure. */

/** More of a message is cut off, in UTF-16 code units. */
export const MESSAGE_CHARACTERS_MAX = 500;

/** One line, bounded, nothing but text. */
export function plainText(text: string, charactersMax = MESSAGE_CHARACTERS_MAX): string {
  return text.slice(0, charactersMax).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]+/gu, ' ');
}
