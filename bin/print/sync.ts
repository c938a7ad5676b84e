/** What a sync did, for people: a line of counts, and what else there is to know. Pure. */
import { counted } from '../../lib/core/counted.ts';
import { CLOCK_OFFSET_TRUSTED_MS } from '../../lib/core/limits.ts';
import type { SyncProgress, SyncReport } from '../command.ts';
import { escapeLine } from './escape.ts';
import { showDuration } from './time.ts';

/** A clock that is off by less is as good as right, in milliseconds. */
export const CLOCK_OFFSET_SHOWN_MS = 1_000;

const PHASES: Readonly<Record<SyncProgress['phase'], string>> = {
  connecting: 'connecting',
  pushing: 'pushing',
  pulling: 'pulling',
  verifying: 'comparing',
  waiting: 'waiting',
};

export function progressText({ phase, done, total, detail }: SyncProgress): string {
  const count = done === 0 && total === undefined ? '' : ` ${done}${total === undefined ? '' : ` of ${total}`}`;
  return `${PHASES[phase]}${count}${detail === undefined ? '' : ` (${detail})`}`;
}

/** `pushed 3, pulled 5 (1 older than what is here), 1 refused; 2 pending` */
export function syncLine({ pushed, pulled, pending, restamped }: SyncReport): string {
  const sent = pushed.applied + pushed.superseded + pushed.duplicate;
  const parts = [
    `pushed ${sent}${pushed.superseded === 0 ? '' : ` (${pushed.superseded} older than what the server has)`}`,
    `pulled ${pulled.received}${pulled.superseded === 0 ? '' : ` (${pulled.superseded} older than what is here)`}`,
  ];
  if (pushed.kept > 0) parts.push(`${pushed.kept} kept here`);
  if (pushed.refused > 0) parts.push(`${pushed.refused} refused`);
  if (pulled.setAside > 0) parts.push(`${pulled.setAside} set aside`);
  if (restamped > 0) parts.push(`${restamped} written again with the right time`);
  return `${parts.join(', ')}; ${pending === 0 ? 'nothing' : pending} pending\n`;
}

/** Whether anything changed, here or there. */
export function hasMoved({ pushed, pulled, restamped }: SyncReport): boolean {
  const { applied, superseded, refused } = pushed;
  return applied + superseded + refused + pulled.applied + pulled.superseded + pulled.setAside + restamped > 0;
}

/** Whether the server refused something, or something was not sent or taken: it may have been healed since. */
export function wasRefused({ pushed, pulled }: SyncReport): boolean {
  return pushed.kept + pushed.refused + pulled.setAside > 0;
}

/** What is worth knowing besides, a line each. @param hasRefusals whether sm brain status has any to show */
export function syncNotes(report: SyncReport, hasRefusals: boolean): string[] {
  const notes = [...report.notices];
  const { verification } = report;
  if (verification !== undefined) {
    const found =
      verification.differences === 0
        ? 'no entry differed'
        : `${counted(verification.differences, 'entry', 'entries')} differed`;
    notes.unshift(
      verification.isEqual
        ? `Verified: ${found}, and both sides hold the same.`
        : `Verified: ${found}, and both sides do not hold the same yet; run sm brain sync --verify again.`,
    );
  }
  if (report.success && report.protocol === 1) {
    notes.push('The server speaks protocol 1 only: conflicts are not seen, and other machines are heard of later.');
  }
  if (report.clockOffsetMs !== null && Math.abs(report.clockOffsetMs) > CLOCK_OFFSET_SHOWN_MS) {
    notes.push(clockText(report.clockOffsetMs));
  }
  if (hasRefusals) notes.push('sm brain status says what was refused or kept here, and why.');
  return notes.map(escapeLine);
}

/** @param offsetMs the server's clock less this machine's */
export function clockText(offsetMs: number): string {
  const sizeMs = Math.abs(offsetMs);
  const off = `This machine's clock is ${showDuration(sizeMs)} ${offsetMs > 0 ? 'behind' : 'ahead of'} the server's`;
  return sizeMs > CLOCK_OFFSET_TRUSTED_MS
    ? `${off}, too much for it to be corrected. Set the system time.`
    : `${off}; new entries bear the corrected time. Check the system time.`;
}
