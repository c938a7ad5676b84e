/**
 * What a viewer missed, in lines: where a session's history was when the viewer was heard of last, also of those whose
 * attachment is no longer kept. Pure. Keeps ABSENCES_MAX at most, and forgets the oldest first.
 */

/** What has left the screen of a session's pane. */
export interface History {
  pane: string;
  historyLines: number;
}

export interface Absence {
  readonly id: string;
  readonly key: string;
  readonly session: string;
  readonly history: History | undefined;
}

const ABSENCES_MAX = 256;

export class Absences {
  readonly #absences = new Map<string, Absence>();

  note({ id, key, session, history }: Absence): void {
    this.#absences.delete(id);
    this.#absences.set(id, { id, key, session, history });
    const [oldest] = this.#absences.keys();
    if (oldest !== undefined && this.#absences.size > ABSENCES_MAX) this.#absences.delete(oldest);
  }

  of(id: string): Absence | undefined {
    return this.#absences.get(id);
  }
}

/** Of another pane nothing is known; of one whose history was cut meanwhile, what is left of it was missed. */
export function linesBetween(before: History | undefined, now: History | undefined): number {
  if (before === undefined || now === undefined || before.pane !== now.pane) return 0;
  return now.historyLines < before.historyLines ? now.historyLines : now.historyLines - before.historyLines;
}
