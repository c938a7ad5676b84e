/** What a sync session is given: whose brain, which server, how much, and what tests put in place of the world. */
import type { Brain } from '../brain/contract.ts';
import type { SyncMode, SyncProgress } from './report.ts';

export interface SyncRequest {
  brain: Brain;
  endpoint: string;
  apiKey: string;
  workspaceId: string;
  /** The project of the key. */
  projectId: string;
  mode: SyncMode;
  verify?: boolean;
  restamp?: boolean;
  signal?: AbortSignal;
  onProgress?: (progress: SyncProgress) => void;
}

export interface SyncOptions extends SyncRequest {
  retriesMax?: number;
  /** Changes of one push, and of one page of a pull, with protocol 2. */
  pageChanges?: number;
  userAgent?: string;
  /** For tests: the network, the time, and what lies between two steps. */
  fetch?: typeof fetch;
  deadlineMs?: number;
  nowMs?: () => number;
  random?: () => number;
  wait?: (delayMs: number, signal: AbortSignal | undefined) => Promise<void>;
}
