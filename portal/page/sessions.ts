/** The list of sessions: open, make, rename, end. Shows names as text, and asks before it ends one. */
import type { Attention, ClientMessage, SessionInfo } from '../protocol.ts';
import { WANTS } from '../wants.ts';
import { byId, elementOf, plainLine } from './dom.ts';

export interface SessionsEvents {
  send(message: ClientMessage): void;
  choose(name: string): void;
  closed(): void;
}

const REFRESH_MS = 3_000;
const TEXT_CHARACTERS_MAX = 160;

export class SessionsDialog {
  readonly #dialog = elementOf(HTMLDialogElement, 'sessions');
  readonly #events: SessionsEvents;
  #current = '';
  #timer: number | undefined;

  constructor(events: SessionsEvents) {
    this.#events = events;
    this.#dialog.addEventListener('close', () => {
      clearInterval(this.#timer);
      events.closed();
    });
    byId('sessions-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const field = elementOf(HTMLInputElement, 'sessions-new');
      this.#choose(field.value);
      field.value = '';
    });
  }

  get isOpen(): boolean {
    return this.#dialog.open;
  }

  open(current: string): void {
    this.#current = current;
    byId('sessions-problem').textContent = '';
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#events.send({ t: 'list' });
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#events.send({ t: 'list' }), REFRESH_MS);
  }

  problem(text: string): void {
    byId('sessions-problem').textContent = text;
  }

  show(sessions: readonly SessionInfo[], canChange: boolean): void {
    byId('sessions-form').hidden = !canChange;
    byId('sessions-list').replaceChildren(...sessions.map((session) => this.#row(session, canChange)));
  }

  #row({ name, activityMs, viewers, attention }: SessionInfo, canChange: boolean): HTMLElement {
    const row = document.createElement('li');
    const open = button(name, () => this.#choose(name));
    open.className = 'open';
    open.setAttribute('aria-current', String(name === this.#current));
    const note = document.createElement('small');
    note.textContent = `${attention === undefined ? '' : `● ${sentenceOf(attention)} · `}${age(Date.now() - activityMs)} · ${viewers === 1 ? '1 viewer' : `${viewers} viewers`}`;
    open.append(note);
    row.append(open);
    if (!canChange) return row;
    row.append(
      button('Rename', () => {
        const to = prompt(`Another name for ${name} (letters, digits, - and _)`, name)?.trim();
        if (to !== undefined && to !== '' && to !== name) this.#events.send({ t: 'rename', name, to });
      }),
      button('End', () => {
        if (confirm(`End ${name}, and what runs in it?`)) this.#events.send({ t: 'end', name });
      }),
    );
    return row;
  }

  #choose(name: string): void {
    this.#dialog.close();
    this.#events.choose(name);
  }
}

/** What a session wants, in words; of its own words no more than a line. */
export function sentenceOf({ kind, text }: Attention): string {
  const line = plainLine(text, TEXT_CHARACTERS_MAX);
  if (kind === 'notice') return line;
  return kind === 'waits' && line !== '' ? `waits: ${line}` : WANTS[kind];
}

function button(text: string, press: () => void): HTMLButtonElement {
  const element = document.createElement('button');
  element.type = 'button';
  element.textContent = text;
  element.addEventListener('click', press);
  return element;
}

function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 10) return 'active now';
  if (seconds < 90) return `active ${seconds} s ago`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `active ${minutes} min ago`;
  const hours = Math.round(minutes / 60);
  return hours < 36 ? `active ${hours} h ago` : `active ${Math.round(hours / 24)} days ago`;
}
