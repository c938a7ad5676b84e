/**
 * Finds in a program's output what is meant for who is not looking: the bell, and notifications by OSC 9, 99 and 777, also
 * where they are wrapped for tmux. Pure; keeps at most one sequence's beginning between two calls.
 */

export interface Alert {
  kind: 'bell' | 'notice';
  /** Of a notice, as one line of bounded length. */
  text: string;
}

/** A sequence that does not end within this is none that is looked for. */
const SEQUENCE_CHARACTERS_MAX = 512;
const TEXT_CHARACTERS_MAX = 200;
/** Of one read; a program that rings a thousand times rings. */
const ALERTS_MAX = 16;
/** Escape sequences that hold a text, ended by BEL or ST; and the bell itself. */
const INTERESTING = /\x07|\x1b[\]P^_X]/g;

export class AlertScanner {
  #held = '';

  /** @param text bytes, one a character */
  push(text: string): Alert[] {
    const all = this.#held + text;
    this.#held = '';
    const alerts: Alert[] = [];
    INTERESTING.lastIndex = 0;
    for (let at = INTERESTING.exec(all); at !== null && alerts.length < ALERTS_MAX; at = INTERESTING.exec(all)) {
      if (at[0] === '\x07') {
        alerts.push({ kind: 'bell', text: '' });
        continue;
      }
      const isOsc = at[0] === '\x1b]';
      const end = endOf(all, at.index + 2, isOsc);
      if (end === undefined) {
        // An end may follow; one that is that long never had a beginning that matters.
        if (all.length - at.index <= SEQUENCE_CHARACTERS_MAX) this.#held = all.slice(at.index);
        else continue;
        return alerts;
      }
      const body = all.slice(at.index + 2, end.start);
      if (isOsc) alerts.push(...noticeOf(body));
      else if (at[0] === '\x1bP' && body.startsWith('tmux;')) {
        alerts.push(...new AlertScanner().push(body.slice('tmux;'.length).replaceAll('\x1b\x1b', '\x1b')));
      }
      INTERESTING.lastIndex = end.after;
    }
    if (all.endsWith('\x1b')) this.#held = '\x1b';
    return alerts;
  }
}

/** Where a sequence ends. In what is wrapped for tmux, every escape is doubled, so that a doubled one ends nothing. */
function endOf(text: string, from: number, isOsc: boolean): { start: number; after: number } | undefined {
  const last = Math.min(text.length, from + SEQUENCE_CHARACTERS_MAX);
  for (let at = from; at < last; at += 1) {
    const character = text[at];
    if (isOsc && character === '\x07') return { start: at, after: at + 1 };
    if (character !== '\x1b') continue;
    if (text[at + 1] === '\\') return { start: at, after: at + 2 };
    if (!isOsc && text[at + 1] === '\x1b') at += 1;
    else if (isOsc && text[at + 1] !== undefined) return { start: at, after: at }; // Another sequence broke it off.
  }
  return undefined;
}

function noticeOf(body: string): Alert[] {
  const text = Buffer.from(body, 'latin1').toString('utf8');
  // 9;4 is a progress bar.
  const nine = /^9;(?!\d+(?:;|$))(.+)$/s.exec(text)?.[1];
  const [, title = '', message = ''] = /^777;notify;([^;]*);?(.*)$/s.exec(text) ?? [];
  const kitty = /^99;[^;]*;(.+)$/s.exec(text)?.[1];
  const said = nine ?? kitty ?? [title, message].filter((part) => part !== '').join(': ');
  const line = oneLine(said, TEXT_CHARACTERS_MAX);
  return line === '' ? [] : [{ kind: 'notice', text: line }];
}

/** Text of a program as one line of bounded length, without what could reorder or hide it. */
export function oneLine(text: string, charactersMax: number): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, charactersMax);
}
