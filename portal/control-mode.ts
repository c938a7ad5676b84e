/**
 * What tmux says in control mode: lines, of which the ones about a pane's output matter here. Pure. A line that grows
 * beyond its bound is cut, not kept: what it says is looked through for alerts, and nothing depends on all of it.
 */

export type ControlEvent =
  | { type: 'output'; pane: string; text: string }
  /** tmux has stopped sending this pane's output, because it was not read soon enough. */
  | { type: 'pause'; pane: string };

/** tmux writes what it has read of a pane at once, escaped: some 16 KiB. */
const LINE_CHARACTERS_MAX = 256 * 1024;
const OUTPUT = /^%output (%\d+) /;
const EXTENDED_OUTPUT = /^%extended-output (%\d+) [^:]*: /;
const PAUSE = /^%pause (%\d+)/;

export class ControlModeReader {
  #rest = '';

  /** What comes next is not all that came: it begins somewhere in a line. */
  skip(): void {
    this.#rest = '';
  }

  /** Texts are bytes, one a character: what is cut is no character yet. */
  push(chunk: Buffer): ControlEvent[] {
    const lines = (this.#rest + chunk.toString('latin1')).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, LINE_CHARACTERS_MAX);
    return lines.flatMap((line) => eventOf(line) ?? []);
  }
}

function eventOf(line: string): ControlEvent | undefined {
  const output = EXTENDED_OUTPUT.exec(line) ?? OUTPUT.exec(line);
  if (output !== null) return { type: 'output', pane: output[1] ?? '', text: unescape(line.slice(output[0].length)) };
  const pause = PAUSE.exec(line);
  return pause === null ? undefined : { type: 'pause', pane: pause[1] ?? '' };
}

/** Control characters and the backslash come as three octal digits. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_whole, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
