/**
 * The host's log: one line an event, written at once so that the last words before a crash are there. Rotates by size
 * and keeps one older file. A log that cannot be written never stops the host.
 */
import fs from 'node:fs';

const LOG_BYTES_MAX = 512 * 1024;

export type WriteLog = (message: string) => void;

/** @param nowMs milliseconds since the epoch */
export function createLog(file: string, nowMs: () => number): WriteLog {
  return (message) => {
    try {
      const size = fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      if (size >= LOG_BYTES_MAX) fs.renameSync(file, `${file}.1`);
      const line = message.replaceAll(/\s*\n\s*/g, ' | ');
      fs.appendFileSync(file, `${new Date(nowMs()).toISOString()} [${process.pid}] ${line}\n`, { mode: 0o600 });
    } catch {
      // A full or vanished disk: the host's answers say so; its log cannot.
    }
  };
}
