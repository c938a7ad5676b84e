/** What a sync tells its caller: while it runs, and when it has ended. Never thrown; a failure is part of the report. */
import type { ErrorCode } from '../core/errors.ts';

export type SyncMode = 'both' | 'push' | 'pull';

export interface SyncProgress {
  phase: 'connecting' | 'pushing' | 'pulling' | 'verifying' | 'waiting';
  /** Changes pushed, or changes pulled, or ranges compared so far. */
  done: number;
  /** Of how many, where that is known. */
  total?: number;
  /** What is waited for, in words. */
  detail?: string;
}

export interface SyncFailure {
  code: ErrorCode;
  message: string;
  hint?: string;
}

export interface SyncReport {
  success: boolean;
  /** Why it did not succeed. */
  reason?: SyncFailure;
  endpoint: string;
  workspaceId: string;
  protocol: 1 | 2 | null;
  /** `kept` were not sent: they have private text, or what looks like a secret. */
  pushed: { sent: number; applied: number; superseded: number; duplicate: number; refused: number; kept: number };
  pulled: { received: number; applied: number; superseded: number; duplicate: number; setAside: number };
  /** Changes that are still to be pushed. */
  pending: number;
  /** Versions that were written again because their time was wrong. */
  restamped: number;
  /** The server's clock less this machine's, in milliseconds; null where no answer told. */
  clockOffsetMs: number | null;
  /** What was found out about this brain or the server on the way, in words for people. */
  notices: string[];
  /** Where it was asked for. */
  verification?: {
    /** Whether both sides hold the same now. */
    isEqual: boolean;
    /** Entries that differed before. */
    differences: number;
    requests: number;
  };
  durationMs: number;
}
