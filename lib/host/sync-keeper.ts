/**
 * Keeps the host's background sync in step with the user's configuration: starts it at a login, ends it at a logout or
 * where `sync.auto` is false, and starts anew where the login changed. A configuration that cannot be read changes
 * nothing, and is reported once. Owns the running BackgroundSync.
 */
import fs from 'node:fs';
import os from 'node:os';
import { type Brain, isWrite, type OperationName } from '../brain/contract.ts';
import { accountOf } from '../scope/account.ts';
import { type Config, loadConfig } from '../scope/config.ts';
import { brainPaths } from '../scope/paths.ts';
import { BackgroundSync, type Login } from '../sync/background.ts';
import { isDatabaseRestart, repeatWhileLost } from './repetition.ts';

/** Operations by which the sync itself writes: they are no reason to sync. */
const OWN_OPERATIONS: readonly OperationName[] = ['syncNote', 'syncApply', 'syncRenew'];

/** A keeper for this user's own brain; none for any other directory, which has no configuration. */
export function createSyncKeeper(options: {
  brainDirectory: string;
  engine: Brain;
  version: string;
  onEvent: (message: string) => void;
}): SyncKeeper | undefined {
  const { engine, version, onEvent } = options;
  const { brainDirectory, configFile } = brainPaths(process.env, os.homedir);
  if (realPath(brainDirectory) !== realPath(options.brainDirectory)) return undefined;
  const brain: Brain = {
    run: (operation, request) => repeatWhileLost(() => engine.run(operation, request), isDatabaseRestart),
    close: () => Promise.resolve(),
  };
  return new SyncKeeper({ configFile, brain, userAgent: `stackmemory/${version}`, onEvent });
}

function realPath(directory: string): string {
  return fs.existsSync(directory) ? fs.realpathSync(directory) : directory;
}

export interface SyncKeeperOptions {
  configFile: string;
  brain: Brain;
  userAgent: string;
  onEvent: (message: string) => void;
}

export class SyncKeeper {
  readonly #options: SyncKeeperOptions;
  #background: BackgroundSync | undefined;
  /** The file as it was last read: time and size. */
  #seen = '';
  #login = '';
  #ending: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: SyncKeeperOptions) {
    this.#options = options;
  }

  /** Looks whether the configuration has changed. Cheap: to be called every second. */
  check(): void {
    const seen = fingerprintOf(this.#options.configFile);
    if (seen === this.#seen || this.#isStopped) return;
    this.#seen = seen;
    let login: Login | undefined;
    try {
      login = loginOf(loadConfig(this.#options.configFile));
    } catch (error) {
      this.#options.onEvent(`sync: the configuration was not read: ${(error as Error).message}`);
      return;
    }
    const text = login === undefined ? '' : JSON.stringify(login);
    if (text === this.#login) return;
    this.#login = text;
    void this.#replace(login);
  }

  /** To be told of every operation that was answered. */
  noteOperation(operation: OperationName): void {
    if (isWrite(operation) && !OWN_OPERATIONS.includes(operation)) this.#background?.noteWrite();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#replace(undefined);
  }

  /** The one before has ended before the next begins. */
  #replace(login: Login | undefined): Promise<void> {
    const before = this.#background;
    this.#background = undefined;
    this.#ending = this.#after(this.#ending, before, login);
    return this.#ending;
  }

  async #after(earlier: Promise<void>, before: BackgroundSync | undefined, login: Login | undefined): Promise<void> {
    await earlier;
    await before?.stop();
    if (login === undefined || this.#isStopped || this.#login !== JSON.stringify(login)) return;
    const { brain, userAgent, onEvent } = this.#options;
    onEvent(`sync: on, with ${login.endpoint}`);
    this.#background = new BackgroundSync({ brain, login, userAgent, onEvent });
    this.#background.start();
  }
}

function loginOf(config: Config): Login | undefined {
  const { endpoint, apiKey, workspaceId, projectId = '', isAutomatic } = accountOf(config);
  if (!isAutomatic || endpoint === undefined || apiKey === undefined || workspaceId === '') return undefined;
  return { endpoint, apiKey, workspaceId, projectId };
}

function fingerprintOf(file: string): string {
  const stats = fs.statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? 'none' : `${stats.mtimeMs} ${stats.size} ${stats.ino}`;
}
