/** A question in a dialog of the page's own: for a yes, or for a line of text. Texts are only ever shown as text. */
import { byId, elementOf } from './dom.ts';

export interface Question {
  title: string;
  text: string;
  /** What the button says that answers it. */
  yes: string;
  /** Where a line is asked for: what it is at first, and what it must look like. */
  line?: { value: string; pattern: string };
}

/** The line, or an empty one where only a yes was asked for; undefined for no. */
export function ask({ title, text, yes, line }: Question): Promise<string | undefined> {
  const dialog = elementOf(HTMLDialogElement, 'ask');
  const field = elementOf(HTMLInputElement, 'ask-field');
  byId('ask-title').textContent = title;
  byId('ask-text').textContent = text;
  byId('ask-yes').textContent = yes;
  field.hidden = line === undefined;
  field.required = line !== undefined;
  field.value = line?.value ?? '';
  field.pattern = line?.pattern ?? '.*';
  dialog.returnValue = '';
  dialog.showModal();
  if (line === undefined) byId('ask-yes').focus();
  else field.select();
  return new Promise((resolve) => {
    const answer = () => resolve(dialog.returnValue === 'yes' ? field.value.trim() : undefined);
    dialog.addEventListener('close', answer, { once: true });
  });
}
