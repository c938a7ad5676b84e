/** What this browser remembers: colours, text size, the key bar, screen reader, notifications. Nothing of it is secret. */
import { byId, elementOf } from './dom.ts';

/** Of the text. */
export const SIZE_POINTS = { least: 7, most: 32 } as const;

export interface Settings {
  theme: 'auto' | 'dark' | 'light';
  sizePoints: number;
  hasKeys: boolean;
  isForReaders: boolean;
  isNotifying: boolean;
}

const STORE = 'portal-settings';

export function loadSettings(): Settings {
  const isTouched = matchMedia('(pointer: coarse)').matches;
  const first: Settings = {
    theme: 'auto',
    sizePoints: isTouched ? 12 : 14,
    hasKeys: isTouched,
    isForReaders: false,
    isNotifying: false,
  };
  try {
    const kept = JSON.parse(localStorage.getItem(STORE) ?? '{}') as Partial<Settings>;
    const sizePoints = typeof kept.sizePoints === 'number' ? clampSize(kept.sizePoints) : first.sizePoints;
    return { ...first, ...kept, sizePoints };
  } catch {
    return first; // Storage is closed, or holds something else.
  }
}

export function keepSettings(settings: Settings): void {
  try {
    localStorage.setItem(STORE, JSON.stringify(settings));
  } catch {
    // Storage is closed: it is so for this visit only.
  }
}

export function themeOf({ theme }: Settings): 'dark' | 'light' {
  if (theme !== 'auto') return theme;
  return matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
}

/** Ties the dialog's fields to the settings. */
export function bindSettings(settings: Settings, changed: () => void): { refresh(): void } {
  const theme = elementOf(HTMLSelectElement, 'set-theme');
  const size = elementOf(HTMLInputElement, 'set-size');
  const keys = elementOf(HTMLInputElement, 'set-keys');
  const reader = elementOf(HTMLInputElement, 'set-reader');
  const notify = elementOf(HTMLInputElement, 'set-notify');
  const refresh = () => {
    theme.value = settings.theme;
    size.value = String(settings.sizePoints);
    keys.checked = settings.hasKeys;
    reader.checked = settings.isForReaders;
    notify.checked = settings.isNotifying;
    notify.disabled = !('Notification' in window) || !isSecureContext;
    byId('set-notify-why').hidden = !notify.disabled;
  };
  const take = () => {
    settings.theme = theme.value as Settings['theme'];
    settings.sizePoints = clampSize(Number(size.value));
    settings.hasKeys = keys.checked;
    settings.isForReaders = reader.checked;
    settings.isNotifying = notify.checked;
    if (!notify.checked || Notification.permission !== 'default') return changed();
    void Notification.requestPermission().then(changed);
  };
  for (const field of [theme, size, keys, reader, notify]) field.addEventListener('change', take);
  refresh();
  return { refresh };
}

function clampSize(points: number): number {
  return Number.isFinite(points) ? Math.min(SIZE_POINTS.most, Math.max(SIZE_POINTS.least, Math.round(points))) : 14;
}
