/** What the engine and its worker thread say to each other. */
import type { OperationName } from '../brain/contract.ts';
import type { SmErrorJson } from '../core/errors.ts';

export interface WorkerParameters {
  brainDirectory: string;
  /** A counter that the host's main thread raises while it runs; absent for a brain opened in-process. */
  pulse?: Int32Array;
}

export type EngineMessage = { type: 'run'; id: number; operation: OperationName; request: unknown } | { type: 'close' };

export type WorkerMessage =
  | { type: 'open'; created: boolean; migrationsRun: number }
  | { type: 'failed'; error: SmErrorJson }
  | { type: 'work'; work: OperationName | 'upkeep' | null }
  | { type: 'answer'; id: number; answer: unknown }
  | { type: 'error'; id: number; error: SmErrorJson }
  /** The database can no longer be trusted, or is to be elsewhere; what it was asked and has not answered is to be asked of another. */
  | { type: 'poisoned'; reason: string }
  | { type: 'closed' };
