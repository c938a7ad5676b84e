/**
 * Tells what somebody types from what a terminal says by itself: answers to questions of tmux and of programs, the focus that
 * comes and goes, the mouse and its wheel. Only who types has the session's size. Pure.
 */

/** What is longer was typed or pasted. */
const REPORT_BYTES_MAX = 1024;

const REPORTS = [
  String.raw`\x1b\[[?>=]?[\d;]*[cnR]`, // Attributes, status, the cursor's place.
  String.raw`\x1b\[\?[\d;]*(?:\$y|u)`, // Modes.
  String.raw`\x1b\[[IO]`, // Focus.
  String.raw`\x1b\[<[\d;]+[Mm]`, // The mouse, as tmux asks for it.
  String.raw`\x1b\[M[\s\S]{3}`, // The mouse, as of old.
  String.raw`\x1b\[[\d;]+t`, // Sizes.
  String.raw`\x1b[P\]][^\x07\x1b]*(?:\x07|\x1b\\)`, // Its name, colours, capabilities.
];
const ONLY_REPORTS = new RegExp(`^(?:${REPORTS.join('|')})+$`);

export function isTyped(bytes: Buffer): boolean {
  const [first] = bytes;
  if (first !== 0x1b || bytes.length > REPORT_BYTES_MAX) return bytes.length > 0;
  return !ONLY_REPORTS.test(bytes.toString('latin1'));
}
