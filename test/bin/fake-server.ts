/** A configuration and a sync server in memory, as the commands see them. */
import type { SyncStanding, SyncState } from '../../lib/brain/sync-contract.ts';

import type {
  Account,
  AuthChange,
  Context,
  KeyOwner,
  SetupAnswer,
  SyncControl,
  SyncReport,
} from '../../bin/command.ts';

export const NOW_MS = Date.UTC(2026, 0, 31, 12);

/** The answers of both operations that tell of a server. */
export type SyncFacts = SyncState & SyncStanding;

/** The key of the fake account: it must be in no output. */
export const API_KEY = 'sm_key_c0ffee5ecret';

export const LOGGED_IN: Account = {
  endpoint: 'https://sync.example.org',
  apiKey: API_KEY,
  workspaceId: 'w',
  projectId: 'p0',
  email: 'ada@example.org',
  isAutomatic: true,
};

export function reportOf(fields: Partial<SyncReport> = {}): SyncReport {
  return {
    success: true,
    endpoint: 'https://sync.example.org',
    workspaceId: 'w',
    protocol: 2,
    pushed: { sent: 0, applied: 0, superseded: 0, duplicate: 0, refused: 0, kept: 0 },
    pulled: { received: 0, applied: 0, superseded: 0, duplicate: 0, setAside: 0 },
    pending: 0,
    restamped: 0,
    clockOffsetMs: 3,
    notices: [],
    durationMs: 12,
    ...fields,
  };
}

export function syncStateOf(fields: Partial<SyncFacts> = {}): SyncFacts {
  return {
    epoch: 'e',
    protocol: 2,
    pushedSeq: 3,
    chain: '',
    scannedSeq: 3,
    cursors: { '': 7 },
    replicaId: '00000000-0000-4000-8000-000000000001',
    headSeq: 3,
    pending: 0,
    pendingSince: null,
    clockOffsetMs: 3,
    lastPushAt: NOW_MS - 60_000,
    lastPullAt: NOW_MS - 30_000,
    lastError: null,
    refusedCount: 0,
    refusals: [],
    ahead: [],
    conflicts: 0,
    projectIds: ['p'],
    ...fields,
  };
}

/** What the server answers; an error is thrown. */
export interface FakeServer {
  signUp?: SetupAnswer | Error;
  resetKey?: SetupAnswer | Error;
  readKey?: KeyOwner | Error;
  /** One a call, the last one for ever after. */
  reports?: SyncReport[];
  /** Called during each sync. */
  onSync?: (options: Parameters<SyncControl['once']>[0]) => Promise<void>;
  /** Thrown where the configuration is written, or looked at. */
  configFailure?: Error;
}

export interface ServerLog {
  /** What was asked of the server, in order. */
  asked: { name: keyof SyncControl; options: Record<string, unknown> }[];
  /** What was written into the configuration. */
  written: AuthChange[];
}

function answerOr<T>(answer: T | Error | undefined, fallback: T): T {
  if (answer instanceof Error) throw answer;
  return answer ?? fallback;
}

/** The configuration and the server, as `login` and `sync` see them. */
export function createServer(
  initial: Account = { workspaceId: '', isAutomatic: true },
  server: FakeServer = {},
): Pick<Context, 'account' | 'sync'> & ServerLog {
  const asked: ServerLog['asked'] = [];
  const written: AuthChange[] = [];
  const granted = { apiKey: API_KEY, workspaceId: 'w', projectId: 'p0' };
  let account = initial;
  let round = 0;
  const checkConfig = () => {
    if (server.configFailure !== undefined) throw server.configFailure;
  };
  return {
    asked,
    written,
    account: {
      read: async () => account,
      checkWritable: async () => checkConfig(),
      write: async (change) => {
        checkConfig();
        written.push(change);
        const { apiUrl, ...rest } = change;
        const merged = Object.entries({ ...account, ...rest, ...(apiUrl === undefined ? {} : { endpoint: apiUrl }) });
        account = Object.fromEntries(merged.filter(([, value]) => value !== null)) as unknown as Account;
      },
    },
    sync: {
      once: async (given) => {
        const { brain: _, signal: __, onProgress: ___, ...shown } = given;
        asked.push({ name: 'once', options: shown });
        const reports = server.reports ?? [reportOf()];
        const report = reports[Math.min(round, reports.length - 1)] ?? reportOf();
        round += 1;
        await server.onSync?.(given);
        return report;
      },
      signUp: async (given) => {
        asked.push({ name: 'signUp', options: given });
        return answerOr(server.signUp, granted);
      },
      resetKey: async (given) => {
        asked.push({ name: 'resetKey', options: given });
        return answerOr(server.resetKey, granted);
      },
      readKey: async (given) => {
        asked.push({ name: 'readKey', options: given });
        return answerOr(server.readKey, { workspaceId: 'w', projectId: 'p0', workspaceName: 'Acme' });
      },
    },
  };
}
