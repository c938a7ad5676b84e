/**
 * The search bar. What stands on the page it marks as one types. Older and newer places are looked for by tmux in the whole
 * history of a session, where there is one and this viewer may turn it; else in what the page keeps.
 */
import { byId, elementOf } from './dom.ts';
import type { Screen } from './screen.ts';

export interface SearchEvents {
  findInHistory(): boolean;
  /** In the session's history; without a text, back to its end. */
  find(text: string, direction: 'older' | 'newer'): void;
}

export class Search {
  readonly #screen: Screen;
  readonly #events: SearchEvents;
  readonly #field = elementOf(HTMLInputElement, 'search-text');
  /** The session was turned, and is turned back when the search is closed. */
  #hasTurned = false;

  constructor(screen: Screen, events: SearchEvents) {
    this.#screen = screen;
    this.#events = events;
    byId('search-button').addEventListener('click', () => this.open());
    byId('search-close').addEventListener('click', () => this.#close());
    byId('search-previous').addEventListener('click', () => this.#go('older'));
    byId('search').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#go('newer');
    });
    this.#field.addEventListener('input', () => screen.search(this.#field.value, 'next', true));
    this.#field.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#close();
      if (event.key !== 'Enter') return;
      event.preventDefault();
      // What a session says last stands last: Enter goes to what was before.
      this.#go(event.shiftKey === this.#events.findInHistory() ? 'newer' : 'older');
    });
  }

  open(): void {
    byId('search').hidden = false;
    this.#field.select();
    this.#field.focus();
  }

  counted(index: number, count: number): void {
    const none = this.#events.findInHistory() ? 'none here' : 'none';
    byId('search-count').textContent = count === 0 ? none : `${index + 1}/${count}`;
  }

  found(isFound: boolean): void {
    byId('search-count').textContent = isFound ? 'found' : 'none';
  }

  #go(direction: 'older' | 'newer'): void {
    const text = this.#field.value;
    if (text === '') return;
    if (!this.#events.findInHistory()) {
      return this.#screen.search(text, direction === 'older' ? 'previous' : 'next', false);
    }
    this.#screen.clearSearch(); // tmux marks what it finds.
    this.#hasTurned = true;
    this.#events.find(text, direction);
  }

  #close(): void {
    byId('search').hidden = true;
    this.#screen.clearSearch();
    if (this.#hasTurned) this.#events.find('', 'newer');
    this.#hasTurned = false;
    this.#screen.terminal.focus();
  }
}
