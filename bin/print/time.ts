/** Times as people read them on a terminal, and as ISO 8601 where output is piped. Pure. */
import type { View } from './view.ts';

const STEPS: readonly (readonly [unitMs: number, name: string, untilMs: number])[] = [
  [60_000, 'min', 3_600_000],
  [3_600_000, 'h', 86_400_000],
  [86_400_000, 'd', 30 * 86_400_000],
];

export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** `3 h ago` on a terminal; older than a month the date; ISO 8601 where piped. */
export function showTime(view: View, timeMs: number): string {
  return view.isTerminal ? relativeTime(timeMs, view.nowMs) : isoTime(timeMs);
}

export function relativeTime(timeMs: number, nowMs: number): string {
  const agoMs = nowMs - timeMs;
  const distanceMs = Math.abs(agoMs);
  if (distanceMs < 60_000) return 'just now';
  for (const [unitMs, name, untilMs] of STEPS) {
    if (distanceMs >= untilMs) continue;
    const count = Math.floor(distanceMs / unitMs);
    return agoMs > 0 ? `${count} ${name} ago` : `in ${count} ${name}`;
  }
  return isoTime(timeMs).slice(0, isoTime(timeMs).indexOf('T'));
}

/** A length of time, for people: `850 ms`, `12 s`, `3 min`, `2 h`, `5 d`. */
export function showDuration(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${Math.floor(durationMs / 1_000)} s`;
  const step = STEPS.find(([, , untilMs]) => durationMs < untilMs) ?? ([86_400_000, 'd', Infinity] as const);
  return `${Math.floor(durationMs / step[0])} ${step[1]}`;
}

export function showBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  if (bytes < 1024 * 1024 * 1024) return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  return `${(bytes / 1024 / 1024 / 1024).toFixed(1)} GiB`;
}
