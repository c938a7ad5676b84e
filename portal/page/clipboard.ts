/**
 * Out of the terminal onto the clipboard, after consent; and from the clipboard into it. On plain HTTP a browser offers
 * neither, so that there is another way for each.
 */
import { byId, elementOf } from './dom.ts';

export class CopyConsent {
  #text = '';
  #isAlways = false;
  #isNever = false;

  constructor(afterwards: () => void) {
    const answer = (run: () => void) => () => {
      byId('copy').hidden = true;
      run();
      afterwards();
    };
    byId('copy-yes').addEventListener(
      'click',
      answer(() => void copy(this.#text)),
    );
    byId('copy-always').addEventListener(
      'click',
      answer(() => {
        this.#isAlways = true;
        void copy(this.#text);
      }),
    );
    byId('copy-no').addEventListener(
      'click',
      answer(() => {
        this.#isNever = true;
        this.#text = '';
      }),
    );
  }

  /** A program asks; whoever said no is not asked again until the page is loaded anew. */
  ask(text: string): void {
    if (this.#isNever || text === '') return;
    this.#text = text;
    if (this.#isAlways) return void copy(text);
    byId('copy-text').textContent =
      `A program wants to copy ${text.length} ${text.length === 1 ? 'character' : 'characters'}.`;
    byId('copy').hidden = false;
  }
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyByHand(text); // Not offered here, or not at this moment.
  }
}

function copyByHand(text: string): void {
  const area = document.createElement('textarea');
  area.value = text;
  area.style.position = 'fixed';
  area.style.opacity = '0';
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

/** The clipboard's text, or what is put into the field that opens where the browser does not give it. */
export async function readClipboard(): Promise<string> {
  try {
    return await navigator.clipboard.readText();
  } catch {
    return askForText();
  }
}

function askForText(): Promise<string> {
  const dialog = elementOf(HTMLDialogElement, 'paste');
  const area = elementOf(HTMLTextAreaElement, 'paste-text');
  area.value = '';
  dialog.returnValue = '';
  dialog.showModal();
  area.focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'send' ? area.value : ''), { once: true });
  });
}
