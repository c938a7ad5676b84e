/**
 * Keeps something that runs in the background in step with the user's configuration: starts it where the configuration
 * calls for it, ends it where it no longer does, and starts it anew where it calls for another. A configuration that
 * cannot be read changes nothing, and is reported once. Owns the running service.
 */
import fs from 'node:fs';
import os from 'node:os';
import type { Brain } from '../brain/contract.ts';
import { type Config, loadConfig } from '../scope/config.ts';
import { brainPaths } from '../scope/paths.ts';
import { isDatabaseRestart, repeatWhileLost } from './repetition.ts';

export interface BackgroundService {
  start(): void;
  stop(): Promise<void>;
}

export interface FollowerOptions<Settings, Service extends BackgroundService> {
  configFile: string;
  /** How it is called in the log. */
  name: string;
  /** Undefined where the configuration does not call for it. */
  settingsOf: (config: Config) => Settings | undefined;
  create: (settings: Settings) => Service;
  onEvent: (message: string) => void;
}

export class ConfigFollower<Settings, Service extends BackgroundService> {
  readonly #options: FollowerOptions<Settings, Service>;
  #service: Service | undefined;
  /** The file as it was last read: time and size. */
  #seen = '';
  #settings = '';
  #ending: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: FollowerOptions<Settings, Service>) {
    this.#options = options;
  }

  get service(): Service | undefined {
    return this.#service;
  }

  /** Looks whether the configuration has changed. Cheap: to be called every second. */
  check(): void {
    const { configFile, name, settingsOf, onEvent } = this.#options;
    const seen = fingerprintOf(configFile);
    if (seen === this.#seen || this.#isStopped) return;
    this.#seen = seen;
    let settings: Settings | undefined;
    try {
      settings = settingsOf(loadConfig(configFile));
    } catch (error) {
      onEvent(`${name}: the configuration was not read: ${(error as Error).message}`);
      return;
    }
    const text = settings === undefined ? '' : JSON.stringify(settings);
    if (text === this.#settings) return;
    this.#settings = text;
    void this.#replace(settings);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#replace(undefined);
  }

  /** The one before has ended before the next begins. */
  #replace(settings: Settings | undefined): Promise<void> {
    const before = this.#service;
    this.#service = undefined;
    this.#ending = this.#after(this.#ending, before, settings);
    return this.#ending;
  }

  async #after(earlier: Promise<void>, before: Service | undefined, settings: Settings | undefined): Promise<void> {
    await earlier;
    await before?.stop();
    if (settings === undefined || this.#isStopped || this.#settings !== JSON.stringify(settings)) return;
    this.#service = this.#options.create(settings);
    this.#service.start();
  }
}

/** The configuration of this user's own brain; undefined for any other directory, which has none. */
export function configFileOf(directory: string): string | undefined {
  const { brainDirectory, configFile } = brainPaths(process.env, os.homedir);
  return realPath(brainDirectory) === realPath(directory) ? configFile : undefined;
}

/** The engine, asked again where its database was opened anew meanwhile. */
export function patientBrain(engine: Pick<Brain, 'run'>): Brain {
  return {
    run: (operation, request) => repeatWhileLost(() => engine.run(operation, request), isDatabaseRestart),
    close: () => Promise.resolve(),
  };
}

function realPath(directory: string): string {
  return fs.existsSync(directory) ? fs.realpathSync(directory) : directory;
}

function fingerprintOf(file: string): string {
  const stats = fs.statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? 'none' : `${stats.mtimeMs} ${stats.size} ${stats.ino}`;
}
