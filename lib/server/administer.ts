/**
 * An operation of the administration from the command line: on the store itself, or through the server that has it open.
 * A user need not know which.
 */
import { randomBytes } from 'node:crypto';
import { errorFromJson, SmError, type SmErrorJson } from '../core/errors.ts';
import { ADMINISTRATION } from './administration.ts';
import { hasServerData } from './data-directory.ts';
import { openEmbeddedServerStore } from './embedded-store.ts';
import { openPostgresServerStore } from './postgres-store.ts';
import { findRunningServer } from './serving.ts';
import type { ChangeStore } from './store.ts';

const PATIENCE_MS = 15_000;
/** A wildcard is an address to listen at, not one to call. */
const WILDCARDS: Record<string, string> = { '0.0.0.0': '127.0.0.1', '[::]': '[::1]' };

export interface AdministerOptions {
  dataDirectory: string;
  databaseUrl?: string;
  /** Told before a store is made where there is none. */
  onNewStore?: (dataDirectory: string) => void;
}

/**
 * A directory in which no server has ever been is mostly a slip, and a key made there would open nothing: only the first
 * key of a new workspace, with which a server may begin, makes a store.
 * @param operation such as `key/create`
 * @throws SmError `not_found` where there is no store
 */
export async function administer(options: AdministerOptions, operation: string, request: unknown): Promise<unknown> {
  if (options.databaseUrl === undefined && !hasServerData(options.dataDirectory)) {
    if (!mayBegin(operation, request)) throw noStore(options.dataDirectory);
    options.onNewStore?.(options.dataDirectory);
  }
  let store: ChangeStore;
  try {
    store = await (options.databaseUrl === undefined
      ? openEmbeddedServerStore({ dataDirectory: options.dataDirectory })
      : openPostgresServerStore({ databaseUrl: options.databaseUrl, poolMax: 2 }));
  } catch (error) {
    if (!(error instanceof SmError) || error.code !== 'store_locked') throw error;
    return askRunningServer(options.dataDirectory, operation, request);
  }
  try {
    const run = ADMINISTRATION.get(operation);
    if (run === undefined) throw new Error(`there is no operation ${operation}`);
    return await run({ store, nowMs: Date.now, randomBytes }, request);
  } finally {
    await store.close();
  }
}

function mayBegin(operation: string, request: unknown): boolean {
  return operation === 'key/create' && (request as { newWorkspace?: unknown }).newWorkspace !== undefined;
}

function noStore(dataDirectory: string): SmError {
  return new SmError({
    code: 'not_found',
    message: `No server has its data in ${dataDirectory}; nothing was made there.`,
    hint: 'Give the --data of the server, or begin a new one: "sm serve", or "sm server key create --new-workspace <name>".',
    details: { dataDirectory },
  });
}

async function askRunningServer(dataDirectory: string, operation: string, request: unknown): Promise<unknown> {
  const { url, adminToken } = findRunningServer(dataDirectory);
  const address = new URL(`/v1/admin/${operation}`, url);
  const reachable = WILDCARDS[address.hostname];
  if (reachable !== undefined) address.hostname = reachable;
  let response: Response;
  try {
    response = await fetch(address, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${adminToken}` },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (error) {
    throw new SmError({
      code: 'unavailable',
      message: `The server that has ${dataDirectory} open does not answer at ${address.origin}.`,
      hint: 'It may be starting or ending: try again in a moment.',
      cause: error,
    });
  }
  const answer: unknown = await response.json();
  if (!response.ok) throw errorFromJson(answer as SmErrorJson);
  return answer;
}
