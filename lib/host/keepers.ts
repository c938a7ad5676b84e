/**
 * What the host does by itself for this user's own brain, as the configuration says: syncs while logged in, and keeps
 * vectors where an address for embeddings is there. None for any other directory, which has no configuration.
 */
import { type Brain, isWrite, type OperationName, type RequestOf } from '../brain/contract.ts';
import { type EmbeddingFigures, EmbeddingService, type EmbeddingSettings } from '../embeddings/service.ts';
import { accountOf } from '../scope/account.ts';
import type { Config } from '../scope/config.ts';
import { embeddingSettingsOf } from '../scope/embedding-settings.ts';
import { BackgroundSync, type Login } from '../sync/background.ts';
import { ConfigFollower, configFileOf, patientBrain } from './config-follower.ts';

/** Operations by which they themselves write: those are no reason to do anything. */
const OWN_OPERATIONS: readonly OperationName[] = ['syncNote', 'syncRenew', 'embeddingStart', 'embeddingStore'];

export interface KeeperOptions {
  brainDirectory: string;
  engine: Brain;
  version: string;
  onEvent: (message: string) => void;
}

export class Keepers {
  readonly #sync: ConfigFollower<Login, BackgroundSync> | undefined;
  readonly #embeddings: ConfigFollower<EmbeddingSettings, EmbeddingService> | undefined;

  constructor({ brainDirectory, engine, version, onEvent }: KeeperOptions) {
    const configFile = configFileOf(brainDirectory);
    if (configFile === undefined) return;
    const brain = patientBrain({
      // What a sync brings in is to be embedded as well.
      run: async (operation, request) => {
        const answer = await engine.run(operation, request);
        if (operation === 'syncApply') this.#embeddings?.service?.noteWrite();
        return answer;
      },
    });
    const about = { configFile, onEvent };
    this.#sync = new ConfigFollower({
      ...about,
      name: 'sync',
      settingsOf: loginOf,
      create: (login) => {
        onEvent(`sync: on, with ${login.endpoint}`);
        return new BackgroundSync({ brain, login, userAgent: `stackmemory/${version}`, onEvent });
      },
    });
    this.#embeddings = new ConfigFollower({
      ...about,
      name: 'embeddings',
      settingsOf: embeddingSettingsOf,
      create: (settings) => new EmbeddingService({ brain, settings, onEvent }),
    });
  }

  /** Looks whether the configuration has changed. Cheap: to be called every second. */
  check(): void {
    this.#sync?.check();
    this.#embeddings?.check();
  }

  /** The request with what its question means, where that is known in time. */
  async prepare<O extends OperationName>(operation: O, request: RequestOf<O>): Promise<RequestOf<O>> {
    const service = this.#embeddings?.service;
    if (service === undefined || (operation !== 'recall' && operation !== 'context')) return request;
    const { query, meaning: given } = request as RequestOf<'recall' | 'context'>;
    if (typeof query !== 'string' || given !== undefined) return request;
    const meaning = await service.meaningOf(query);
    return meaning === undefined ? request : { ...request, meaning };
  }

  /** To be told of every operation that was answered. */
  noteOperation(operation: OperationName): void {
    if (!isWrite(operation) || OWN_OPERATIONS.includes(operation)) return;
    // What the sync applies came from there.
    if (operation !== 'syncApply') this.#sync?.service?.noteWrite();
    this.#embeddings?.service?.noteWrite();
  }

  /** Undefined where none are configured. */
  embeddingFigures(): EmbeddingFigures | undefined {
    return this.#embeddings?.service?.figures();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#sync?.stop(), this.#embeddings?.stop()]);
  }
}

function loginOf(config: Config): Login | undefined {
  const { endpoint, apiKey, workspaceId, projectId = '', isAutomatic } = accountOf(config);
  if (!isAutomatic || endpoint === undefined || apiKey === undefined || workspaceId === '') return undefined;
  return { endpoint, apiKey, workspaceId, projectId };
}
