/** The list of sessions: open, make, rename, end. Shows names as text, and asks before it ends one. */
import type { Attention, ClientMessage, SessionInfo } from '../protocol.ts';
import { WANTS } from '../wants.ts';
import { ask } from './ask.ts';
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
    // Who is at one of the buttons stays there, though the list is made anew every few seconds.
    const list = byId('sessions-list');
    const buttons = () => [...list.querySelectorAll('button')];
    const held = buttons()
      .find((each) => each === document.activeElement)
      ?.getAttribute('aria-label');
    list.replaceChildren(...sessions.map((session) => this.#row(session, canChange)));
    if (held != null)
      buttons()
        .find((each) => each.getAttribute('aria-label') === held)
        ?.focus();
  }

  #row({ name, activityMs, viewers, attention }: SessionInfo, canChange: boolean): HTMLElement {
    const row = document.createElement('li');
    const open = button(name, `Open ${name}`, () => this.#choose(name));
    open.className = 'open';
    open.setAttribute('aria-current', String(name === this.#current));
    const looking = viewers === 0 ? '' : ` · ${viewers === 1 ? '1 viewer' : `${viewers} viewers`}`;
    open.append(note(age(Date.now() - activityMs) + looking));
    if (attention !== undefined) {
      const wants = note(`● ${sentenceOf(attention)}`);
      wants.className = 'wants';
      open.append(wants);
      open.setAttribute('aria-label', `Open ${name}, which ${sentenceOf(attention)}`);
    }
    row.append(open);
    if (canChange) {
      row.append(
        button('Rename', `Rename ${name}`, () => void this.#rename(name)),
        button('End', `End ${name}`, () => void this.#end(name)),
      );
    }
    return row;
  }

  async #rename(name: string): Promise<void> {
    const to = await ask({
      title: `Rename ${name}`,
      text: 'Letters, digits, “-” and “_”.',
      yes: 'Rename',
      line: { value: name, pattern: elementOf(HTMLInputElement, 'sessions-new').pattern },
    });
    if (to !== undefined && to !== name) this.#events.send({ t: 'rename', name, to });
  }

  async #end(name: string): Promise<void> {
    const text = 'Whatever runs in it ends with it.';
    if ((await ask({ title: `End ${name}?`, text, yes: 'End it' })) !== undefined) {
      this.#events.send({ t: 'end', name });
    }
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

function button(text: string, label: string, press: () => void): HTMLButtonElement {
  const element = document.createElement('button');
  element.type = 'button';
  element.textContent = text;
  element.setAttribute('aria-label', label);
  element.addEventListener('click', press);
  return element;
}

function note(text: string): HTMLElement {
  const element = document.createElement('small');
  element.textContent = text;
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
