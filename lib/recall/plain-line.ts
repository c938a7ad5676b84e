/**
 * Recorded text made fit to stand in a prompt: one line, without what cannot be seen, and unable to pose as the frame
 * around it. Who wrote an entry is not who is to be obeyed. Pure.
 * Invariant: what leaves here has no line break, no control, bidirectional, zero-width or tag character, and no text
 * that opens or closes a frame.
 */

/** Everything that ends a line or that only a machine sees: Cc, line and paragraph separators, Cf, private use, halves. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Cf}\p{Co}\p{Cs}\u115f\u1160\u3164\uffa0\p{Variation_Selector}]+/gu;
/** Joins the parts of an emoji or of a script's letters; alone of all that is unseen it belongs to words. */
const JOINER = /(?<=[\p{Extended_Pictographic}\p{M}])\u200d(?=[\p{Extended_Pictographic}\p{L}])/gu;
const JOINER_KEPT = '\ue000';
/** What frames begin with, here and in the prompts of agents: `</stackmemory-…>`, `<system-reminder>`, `<|im_start|>`. */
const FRAME =
  /<(?=\s*[/|!]?\s*[a-z|_-]*(?:stackmemory|system|assistant|user|human|im_start|im_end|endoftext|instruction))/gi;

/** A cut is moved back to the end of a word where that keeps so much. */
const WORD_CUT_MIN = 0.6;

/** At most `charactersMax` characters, cut at a word where one ends near. */
export function plainLine(text: string, charactersMax: number): string {
  // A little more than is wanted, so that a text of 64 KiB costs no more than a line of it.
  const head = text.slice(0, 4 * charactersMax).toWellFormed();
  const line = head
    .replaceAll(JOINER_KEPT, '')
    .replaceAll(JOINER, JOINER_KEPT)
    .replaceAll(UNSEEN, (unseen) => (unseen === JOINER_KEPT ? '\u200d' : /\s/.test(unseen) ? ' ' : ''))
    .replaceAll(/\s+/gu, ' ')
    .trim()
    .replaceAll(FRAME, '‹');
  const characters = [...line];
  if (characters.length <= charactersMax && head.length === text.length) return line;
  const cut = characters.slice(0, charactersMax - 1).join('');
  const end = cut.lastIndexOf(' ');
  return `${end > WORD_CUT_MIN * cut.length ? cut.slice(0, end) : cut}…`;
}

/** The first sentence, for a line that stands for the whole. */
export function firstSentence(line: string): string {
  const end = /[.!?。！？](?=\s|$)|[。！？]/u.exec(line);
  return end === null ? line : line.slice(0, end.index + 1);
}
