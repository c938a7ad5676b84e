/** Tells who looks elsewhere: by the tab's title, and by a notification where that is wanted and the portal pushes none. */
import { plainLine } from './dom.ts';
import { keepPush } from './push.ts';

const TITLE_CHARACTERS_MAX = 80;

export interface NoticesRim {
  /** The session that is shown. */
  session(): string | undefined;
  wantsNotifications(): boolean;
}

export class Notices {
  readonly #rim: NoticesRim;
  /** As the program in the session has it. */
  #title = '';
  #hasRung = false;
  /** The browser is told by the portal itself, also when this page is closed. */
  #hasPush = false;

  constructor(rim: NoticesRim) {
    this.#rim = rim;
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#hasRung = false;
      this.showTitle();
    });
  }

  titled(text: string): void {
    this.#title = plainLine(text, TITLE_CHARACTERS_MAX);
    this.showTitle();
  }

  showTitle(): void {
    const parts = [this.#title, this.#rim.session() ?? '', 'portal'].filter((part) => part !== '');
    document.title = `${this.#hasRung ? '● ' : ''}${parts.join(' · ')}`;
  }

  tell(session: string, sentence: string): void {
    if (document.visibilityState === 'visible') return;
    this.#hasRung = true;
    this.showTitle();
    const mayNotify = 'Notification' in window && Notification.permission === 'granted';
    if (this.#hasPush || !this.#rim.wantsNotifications() || !mayNotify) return;
    const note = new Notification(session, { body: sentence, tag: session });
    note.addEventListener('click', () => window.focus());
  }

  /** Without pushes the page notifies by itself, as long as it is open. */
  askForPush(): void {
    keepPush(this.#rim.wantsNotifications()).then(
      (has) => (this.#hasPush = has),
      () => (this.#hasPush = false),
    );
  }
}
