/** The bar of keys that a phone's keyboard lacks. Ctrl and Alt hold for the next key, however it is typed. */

export interface KeyBarEvents {
  send(text: string): void;
  paste(): void;
  /** Cursor keys differ while a program asks for it. */
  isApplicationCursor(): boolean;
}

const CURSOR: Readonly<Record<string, string>> = { '←': 'D', '↑': 'A', '↓': 'B', '→': 'C' };
const PLAIN: Readonly<Record<string, string>> = { Esc: '\u001b', Tab: '\t', '⏎': '\r', '^C': '\u0003' };
const LABELS: Readonly<Record<string, string>> = {
  '←': 'Left',
  '↑': 'Up',
  '↓': 'Down',
  '→': 'Right',
  '⏎': 'Enter',
  '^C': 'Control C, interrupt',
  Esc: 'Escape',
};
const ORDER = ['Esc', 'Tab', 'Ctrl', 'Alt', '←', '↑', '↓', '→', '⏎', '^C', 'Paste'] as const;

export class KeyBar {
  readonly #held = { Ctrl: false, Alt: false };
  readonly #buttons = new Map<string, HTMLButtonElement>();

  constructor(place: HTMLElement, events: KeyBarEvents) {
    for (const key of ORDER) {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = key;
      button.setAttribute('aria-label', LABELS[key] ?? key);
      // The terminal keeps the focus, and so the phone keeps its keyboard up.
      button.addEventListener('pointerdown', (event) => event.preventDefault());
      button.addEventListener('click', () => this.#press(key, events));
      this.#buttons.set(key, button);
      place.append(button);
    }
    this.#show();
  }

  /** What is typed, with the keys that are held. */
  apply(text: string): string {
    const { Ctrl, Alt } = this.#held;
    if (!Ctrl && !Alt) return text;
    this.#held.Ctrl = false;
    this.#held.Alt = false;
    this.#show();
    const controlled = Ctrl && text.length === 1 ? controlOf(text) : text;
    return Alt ? `\u001b${controlled}` : controlled;
  }

  #press(key: (typeof ORDER)[number], events: KeyBarEvents): void {
    if (key === 'Ctrl' || key === 'Alt') {
      this.#held[key] = !this.#held[key];
      return this.#show();
    }
    if (key === 'Paste') return events.paste();
    const cursor = CURSOR[key];
    if (cursor === undefined) return events.send(this.apply(PLAIN[key] ?? ''));
    events.send(this.#cursorKey(cursor, events.isApplicationCursor()));
  }

  #cursorKey(letter: string, isApplication: boolean): string {
    const { Ctrl, Alt } = this.#held;
    const modifier = 1 + (Alt ? 2 : 0) + (Ctrl ? 4 : 0);
    this.#held.Ctrl = false;
    this.#held.Alt = false;
    this.#show();
    if (modifier > 1) return `\u001b[1;${modifier}${letter}`;
    return isApplication ? `\u001bO${letter}` : `\u001b[${letter}`;
  }

  #show(): void {
    for (const key of ['Ctrl', 'Alt'] as const) {
      this.#buttons.get(key)?.setAttribute('aria-pressed', String(this.#held[key]));
    }
  }
}

/** Ctrl with a letter, as terminals have it: the five low bits. */
export function controlOf(character: string): string {
  const code = character.toUpperCase().charCodeAt(0);
  if (code >= 0x40 && code <= 0x5f) return String.fromCharCode(code & 0x1f);
  if (character === ' ' || character === '2') return '\u0000';
  return character === '?' || character === '8' ? '\u007f' : character;
}
