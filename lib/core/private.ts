/**
 * Text between `<private>` and `</private>`, which never leaves the machine that it was written on: an entry that has some
 * is not pushed, and what is made for a model or a page has it left out. A mark that is not closed counts to the end. Pure.
 */
import { mapTexts, type Texts, textsOf } from './texts.ts';

const MARK = '<private>';
const MARKED = /<private>[\s\S]*?(?:<\/private>|$)/gi;
/** What stands in its place. */
const LEFT_OUT = '[private]';

export function hasPrivate(entry: Texts): boolean {
  return textsOf(entry).some(marksPrivate);
}

export function marksPrivate(text: string): boolean {
  return text.toLowerCase().includes(MARK);
}

/** The entry as it may be shown to who is not on this machine. */
export function withoutPrivate<T extends Texts>(entry: T): T {
  return hasPrivate(entry) ? mapTexts(entry, (text) => text.replaceAll(MARKED, LEFT_OUT)) : entry;
}
