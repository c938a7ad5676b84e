/** The package's own entry: a brain for programs, with the guarantees of the command line. */
import os from 'node:os';
import type { Brain } from './brain/contract.ts';
import { version } from './core/version.ts';
import { connectBrain } from './host/client.ts';
import { brainPaths } from './scope/paths.ts';

export type * from './brain/contract.ts';
export type * from './brain/log-contract.ts';
export type * from './brain/recall-contract.ts';
export type { Entry, EntryDraft, EntryEdit, EntryKind, EntryStatus } from './core/entry.ts';
export type { SyncOptions } from './sync/options.ts';
export { syncOnce } from './sync/sync-once.ts';
export type { SyncProgress, SyncReport } from './sync/report.ts';
export { SmError, type ErrorCode, type SmErrorJson } from './core/errors.ts';
export { version };

export interface OpenBrainOptions {
  /** The brain's directory; by default that of `STACKMEMORY_HOME`, else `~/.stackmemory/brain`. */
  directory?: string;
  /**
   * `true` (the default): through the host, beside any number of other processes; it is started where there is none.
   * `false`: in this process alone, under the same lock; everybody else is refused until `close()`.
   */
  host?: boolean;
}

/**
 * Opens the brain of this user. A write resolves only after its commit is on disk, and may be repeated with the same
 * `requestId` after a failure.
 *
 * @example
 * const brain = await openBrain();
 * const [entry] = await brain.run('record', {
 *   requestId: crypto.randomUUID(),
 *   scope: { workspaceId: '', projectId: 'my-project' },
 *   agent: 'claude',
 *   drafts: [{ title: 'Retries need jitter', kind: 'insight', conclusion: 'Full jitter ended the stampede.' }],
 * });
 * await brain.close();
 *
 * @throws SmError where the brain cannot be opened; its `hint` says what to do
 */
export function openBrain({ directory, host = true }: OpenBrainOptions = {}): Promise<Brain> {
  return connectBrain({
    brainDirectory: directory ?? brainPaths(process.env, os.homedir()).brainDirectory,
    clientVersion: version,
    inProcess: !host,
  });
}
