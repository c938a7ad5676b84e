/** Workspaces with a key each, made in a store as an administrator makes them. */
import { randomBytes } from 'node:crypto';
import { ADMINISTRATION } from '../../lib/server/administration.ts';
import type { ChangeStore } from '../../lib/server/store.ts';

export interface TestKey {
  apiKey: string;
  prefix: string;
  workspaceId: string;
  projectId: string;
}

/** A new workspace and its key. */
export async function createTestKey(store: ChangeStore, name: string): Promise<TestKey> {
  return (await administer(store, 'key/create', { newWorkspace: name })) as TestKey;
}

/** Runs an operation of the administration, such as `key/create`. */
export function administer(store: ChangeStore, operation: string, request: unknown): Promise<unknown> {
  const run = ADMINISTRATION.get(operation);
  if (run === undefined) throw new Error(`there is no operation ${operation}`);
  return run({ store, nowMs: Date.now, randomBytes }, request);
}
