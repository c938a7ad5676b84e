/**
 * Who came and when: JSON lines in `audit.log` of the portal's directory, 0600, of bounded size. Holds no secret, and
 * no control character of a stranger's.
 */
import fs from 'node:fs';
import path from 'node:path';

/** Past it the log becomes `audit.log.1`, whose place it takes. */
const LOG_BYTES_MAX = 4 * 1024 * 1024;
const TEXT_CHARACTERS_MAX = 200;
/** More are counted, so that a flood of them cannot push out who came before. */
const REFUSALS_PER_MINUTE = 60;
const MINUTE_MS = 60_000;

export type AuditEvent =
  | 'started'
  | 'stopped'
  | 'login'
  | 'login refused'
  | 'connected'
  | 'disconnected'
  | 'refused'
  | 'shared'
  | 'rotated'
  | 'brain changed';

export type AuditFields = Record<string, string | number | boolean | undefined>;

export class AuditLog {
  readonly #file: string;
  readonly #now: () => number;
  #bytes: number;
  readonly #report: (message: string) => void;
  #hasFailed = false;
  readonly #refusals = { minute: 0, count: 0 };

  /** @param report told once where the log can no longer be written */
  constructor(directory: string, nowMs: () => number, report: (message: string) => void) {
    this.#report = report;
    this.#file = path.join(directory, 'audit.log');
    this.#now = nowMs;
    this.#bytes = fs.statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0;
  }

  write(event: AuditEvent, fields: AuditFields): void {
    if (event === 'refused' || event === 'login refused') {
      if (!this.#countRefusal()) return;
    }
    this.#append(event, fields);
  }

  /** Whether this one is to be written. What was left out is, with the first of another minute. */
  #countRefusal(): boolean {
    const minute = Math.floor(this.#now() / MINUTE_MS);
    const last = this.#refusals.count;
    if (minute !== this.#refusals.minute) {
      if (last > REFUSALS_PER_MINUTE) this.#append('refused', { more: last - REFUSALS_PER_MINUTE });
      Object.assign(this.#refusals, { minute, count: 0 });
    }
    this.#refusals.count += 1;
    return this.#refusals.count <= REFUSALS_PER_MINUTE;
  }

  #append(event: AuditEvent, fields: AuditFields): void {
    const clean = Object.entries(fields).map(([key, value]) => [key, typeof value === 'string' ? cut(value) : value]);
    const line = `${JSON.stringify({ at: new Date(this.#now()).toISOString(), event, ...Object.fromEntries(clean) })}\n`;
    try {
      if (this.#bytes + line.length > LOG_BYTES_MAX) {
        fs.renameSync(this.#file, `${this.#file}.1`);
        this.#bytes = 0;
      }
      fs.appendFileSync(this.#file, line, { mode: 0o600 });
      this.#bytes += Buffer.byteLength(line);
      this.#hasFailed = false;
    } catch (error) {
      // A full disk or a directory that is gone must not lock its owner out of the machine that is to be mended.
      if (!this.#hasFailed) this.#report(`the audit log cannot be written: ${(error as Error).message}`);
      this.#hasFailed = true;
    }
  }
}

function cut(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?').slice(0, TEXT_CHARACTERS_MAX);
}
