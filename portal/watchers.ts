/**
 * The tmux clients by which this portal watches, noted in `watchers.json`. One that was killed leaves them behind, and tmux
 * never lets go of a client in control mode whose output has nowhere to go; so the next portal ends them. Invariant: no
 * process is ended that tmux does not know as such a client, whoever has its number by now.
 */
import path from 'node:path';
import * as v from 'valibot';
import { writePrivateFile } from '../lib/host/private-file.ts';
import { readJson } from './access.ts';

const schema = v.array(v.pipe(v.number(), v.safeInteger(), v.minValue(2)));

export class Watchers {
  readonly #file: string;

  constructor(directory: string) {
    this.#file = path.join(directory, 'watchers.json');
  }

  note(pids: readonly number[]): void {
    try {
      writePrivateFile(this.#file, `${JSON.stringify(pids)}\n`);
    } catch {
      // A full disk, or a directory that is gone: what is not noted is not ended, and the portal goes on.
    }
  }

  /** Ends those of an earlier portal. @param clients the processes of tmux' clients in control mode */
  async endOrphans(clients: () => Promise<readonly number[]>): Promise<void> {
    const noted = v.safeParse(schema, readJson(this.#file));
    if (!noted.success || noted.output.length === 0) return;
    const present = new Set(await clients());
    for (const pid of noted.output) {
      if (present.has(pid)) process.kill(pid, 'SIGTERM');
    }
    this.note([]);
  }
}
