/**
 * Whether a session wants somebody: it rang, it notified, it waits for an answer, or it has gone quiet after work. Pure:
 * time is a parameter. Whoever types in a session or opens it has seen what it wanted.
 */
import { type Alert, oneLine } from './alerts.ts';
import type { Attention } from './protocol.ts';

/** After so much silence one looks what stands on the screen, in milliseconds. */
const QUIET_MS = 8_000;
/** Work that took less is not worth a word when it ends. */
const WORK_MS_MIN = 30_000;
const TAIL_LINES = 14;
const TEXT_CHARACTERS_MAX = 160;

/** What a screen's end says where a program waits for a person. */
const QUESTION = [
  /\[[yY]\/[nN]\]|\([yY]\/[nN]\)|\(yes\/no\b/,
  /^\s*[❯>▶→]\s*(?:1\.|yes\b)/imu,
  /\b(?:do you want|would you like|are you sure|shall i|allow (?:this|command|once)|approve|grant access)\b[^\n]*\?/i,
  /\b(?:press (?:enter|return|any key)|hit enter)\b/i,
  /\b(?:waiting for (?:your )?(?:input|answer|approval|confirmation|permission))\b/i,
  /(?:password|passphrase)[^\n]*:\s*$/i,
];

export class SessionAttention {
  #wants: Attention | undefined;
  #workSinceMs: number | undefined;
  #lastOutputMs: number | undefined;
  #isLookedAt = true;
  /** Some of what it said was not heard: it may have rung. */
  #hasGap = false;
  readonly #quietMs: number;

  constructor(quietMs: number = QUIET_MS) {
    this.#quietMs = quietMs;
  }

  get wants(): Attention | undefined {
    return this.#wants;
  }

  noteOutput(nowMs: number): void {
    if (this.#lastOutputMs === undefined || nowMs - this.#lastOutputMs > this.#quietMs) this.#workSinceMs = nowMs;
    this.#lastOutputMs = nowMs;
    this.#isLookedAt = false;
    if (this.#wants?.kind === 'waits' || this.#wants?.kind === 'quiet') this.#wants = undefined;
  }

  /** Output that nobody looked through, since it was too much or came too late. */
  noteGap(nowMs: number): void {
    this.noteOutput(nowMs);
    this.#hasGap = true;
  }

  /** @returns what is to be told, where it is more than was known */
  noteAlert({ kind, text }: Alert, nowMs: number): Attention | undefined {
    // A bell after a notice says no more than that.
    if (kind === 'bell' && this.#wants !== undefined) return undefined;
    return this.#want({ kind, text, atMs: nowMs });
  }

  /** Whether it is time to look at the screen; once after each silence begins. */
  isToBeLookedAt(nowMs: number): boolean {
    return !this.#isLookedAt && this.#lastOutputMs !== undefined && nowMs - this.#lastOutputMs >= this.#quietMs;
  }

  noteScreen(screen: string, nowMs: number): Attention | undefined {
    this.#isLookedAt = true;
    const lines = screen.split('\n').map((line) => line.trimEnd());
    while (lines.at(-1) === '') lines.pop();
    const tail = lines.slice(-TAIL_LINES);
    const question = questionIn(tail);
    if (question !== undefined) return this.#want({ kind: 'waits', text: question, atMs: nowMs });
    const workedMs = (this.#lastOutputMs ?? 0) - (this.#workSinceMs ?? 0);
    // What it may have said unheard is made up for by telling of its silence, however short its work was.
    const isWorthAWord = workedMs >= WORK_MS_MIN || this.#hasGap;
    this.#hasGap = false;
    if (this.#wants !== undefined || !isWorthAWord) return undefined;
    return this.#want({ kind: 'quiet', text: '', atMs: nowMs });
  }

  /** Somebody types there, or has opened it. */
  seen(): void {
    this.#wants = undefined;
    this.#hasGap = false;
  }

  #want(wants: Attention): Attention {
    this.#wants = wants;
    return wants;
  }
}

/** The line with the question, where the screen's end is one. */
function questionIn(tail: readonly string[]): string | undefined {
  const text = tail.join('\n');
  if (!QUESTION.some((pattern) => pattern.test(text))) return undefined;
  const line = tail.findLast((candidate) => candidate.includes('?')) ?? tail.at(-1) ?? '';
  return oneLine(line.replaceAll(/[│┃║|╭╮╰╯─]/gu, ' '), TEXT_CHARACTERS_MAX);
}
