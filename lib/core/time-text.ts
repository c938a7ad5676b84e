/** Times as people and agents write them. Pure, but for the time zone of a day. */

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  y: 365 * 86_400_000,
};

/** Of `2026-01-31`. */
const DAY_CHARACTERS = 10;

/**
 * A time as milliseconds since the epoch: an age (`7d`), a date (midnight here), an ISO 8601 time (local where it names
 * no zone), or milliseconds since the epoch. Undefined where it is none of these.
 */
export function parseTime(text: string, nowMs: number): number | undefined {
  const age = /^(\d{1,9}) ?([smhdwy])$/.exec(text);
  if (age !== null) return Math.max(0, nowMs - Number(age[1]) * (UNIT_MS[age[2] ?? ''] ?? 0));
  if (/^\d{11,15}$/.test(text)) return Number(text);
  const date = /^(\d{4})-(\d{2})-(\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/.exec(
    text,
  );
  if (date === null || !isCalendarDay(Number(date[1]), Number(date[2]), Number(date[3]))) return undefined;
  const timeMs = Date.parse(text.length === DAY_CHARACTERS ? `${text}T00:00` : text.replace(' ', 'T'));
  return Number.isNaN(timeMs) ? undefined : Math.max(0, timeMs);
}

/** The same as an end: of a day its last millisecond. */
export function parseEndTime(text: string, nowMs: number): number | undefined {
  const startMs = parseTime(text, nowMs);
  if (startMs === undefined || text.length !== DAY_CHARACTERS) return startMs;
  const day = new Date(startMs);
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1).getTime() - 1;
}

/** Date.parse takes 31 February for 3 March; a date that does not exist is a slip. */
function isCalendarDay(year: number, month: number, day: number): boolean {
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}
