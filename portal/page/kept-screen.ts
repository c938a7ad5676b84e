/** What a page leaves behind for itself when it is loaded anew, where there is no tmux to paint the screen again. */
import type { Place } from './link.ts';

const TEXT_CHARACTERS_MAX = 2_000_000;
const KEPT = 'portal-kept';

export interface KeptScreen {
  place: Place;
  text: string;
}

export function keepScreen({ place, text }: KeptScreen): void {
  if (text.length > TEXT_CHARACTERS_MAX) return;
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ place, text }));
  } catch {
    // No room: the page begins with an empty screen.
  }
}

/** Once. */
export function takeKeptScreen(): KeptScreen | undefined {
  const text = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  return text === null ? undefined : (JSON.parse(text) as KeptScreen);
}
