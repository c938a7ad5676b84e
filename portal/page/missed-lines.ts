/** The lines that went by while nobody looked: how many they were, the way to them, and the way back. */
import type { ClientMessage } from '../protocol.ts';
import { byId } from './dom.ts';

export class MissedLines {
  readonly #send: (message: ClientMessage) => void;
  #lines = 0;
  #isLookingBack = false;

  constructor(send: (message: ClientMessage) => void) {
    this.#send = send;
    byId('missed').addEventListener('click', () => this.#look());
  }

  /** The screen as it is comes first; what went by meanwhile is offered. @param lines 0 takes the offer back */
  show(lines: number): void {
    this.#lines = lines;
    this.#isLookingBack = false;
    byId('missed').hidden = lines === 0;
    byId('missed').textContent = `↑ ${lines.toLocaleString('en')} lines went by meanwhile`;
  }

  #look(): void {
    if (this.#isLookingBack) {
      this.#send({ t: 'find', text: '', direction: 'newer' });
      this.show(0);
    } else {
      this.#send({ t: 'back', lines: this.#lines });
      this.#isLookingBack = true;
      byId('missed').textContent = '↓ back to the end';
    }
  }
}
