/** The real world behind Context: this process's streams, clock, environment and brain. Loads each part when asked. */
import { existsSync, readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { homedir, userInfo } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Provenance } from '../lib/core/provenance.ts';
import { version } from '../lib/core/version.ts';
import type { Config } from '../lib/scope/config.ts';
import { detectSession } from './agent.ts';
import type { Context, Finding, Location } from './command.ts';
import { CATALOGUE } from './commands/groups.ts';
import { createStderr, createStdout } from './output.ts';

/** Made by provisioning/setup.sh: where it is, this machine is a box. */
const BOX_SETTINGS = '/etc/stackmemory/box.env';

export function createContext(signal: AbortSignal): Context {
  const env = process.env;
  return {
    env,
    version,
    catalogue: CATALOGUE,
    commandLine,
    stdin: {
      get isTerminal() {
        return process.stdin.isTTY === true;
      },
      chunks: () => process.stdin,
    },
    stdout: createStdout(() => process.stdout),
    stderr: createStderr(() => process.stderr),
    signal,
    now: () => Date.now(),
    // An interruption ends the wait; whoever waits looks at the signal.
    wait: (delayMs) => delay(delayMs, undefined, { signal }).catch(() => undefined),
    newId: () => randomUUID(),
    locate,
    provenance,
    commitTime,
    placeInCode: async (file, lines) => {
      const [{ currentDirectory }, git] = await Promise.all([
        import('../lib/scope/paths.ts'),
        import('../lib/scope/git-place.ts'),
      ]);
      return git.placeInCode(currentDirectory(), file, lines, process.env);
    },
    fileExists: (file) => Promise.resolve(existsSync(file)),
    connect: async (options) => {
      const { connectBrain } = await import('../lib/host/client.ts');
      return connectBrain({ ...options, clientVersion: version });
    },
    host: {
      status: async (options) => (await import('../lib/host/control.ts')).hostStatus(options),
      stop: async (options) => (await import('../lib/host/control.ts')).stopHost(options),
      logFile: async (brainDirectory) => (await import('../lib/host/control.ts')).hostLogFile(brainDirectory),
    },
    account: {
      read: async () => {
        const { accountOf } = await import('../lib/scope/account.ts');
        return accountOf(await readConfig());
      },
      checkWritable: async () => (await import('../lib/scope/config-file.ts')).checkWritable(await configPath()),
      write: async (change) => (await import('../lib/scope/config-file.ts')).writeAuth(await configPath(), change),
    },
    embeddings: {
      read: async () => {
        const { embeddingSettingsOf } = await import('../lib/scope/embedding-settings.ts');
        return embeddingSettingsOf(await readConfig());
      },
      attempt: async (address, signal) => (await import('../lib/embeddings/attempt.ts')).attempt(address, signal),
      write: async (embeddings) =>
        (await import('../lib/scope/config-file.ts')).writeEmbeddings(await configPath(), embeddings),
    },
    sync: {
      once: async (options) => {
        const { syncOnce } = await import('../lib/sync/sync-once.ts');
        return syncOnce({ ...options, userAgent: `stackmemory/${version}` });
      },
      signUp: async (options) => (await import('../lib/sync/setup.ts')).signUp(options),
      resetKey: async (options) => (await import('../lib/sync/setup.ts')).resetKey(options),
      readKey: async (options) => (await import('../lib/sync/setup.ts')).readKey(options),
    },
    packages: {
      installation: async () => (await import('./npm.ts')).installation(),
      newest: async () => (await import('./npm.ts')).newestVersion(),
      install: async (prefix, wanted) => (await import('./npm.ts')).installVersion(prefix, wanted),
    },
    inspect: async (options) => {
      const { inspectBrain } = await import('../lib/host/doctor.ts');
      const ofBrain = await inspectBrain({ ...options, clientVersion: version });
      return existsSync(BOX_SETTINGS) ? [...ofBrain, ...(await inspectBox())] : ofBrain;
    },
  };
}

function commandLine(): Uint8Array | undefined {
  try {
    return readFileSync('/proc/self/cmdline');
  } catch {
    return undefined; // Only Linux has it.
  }
}

async function inspectBox(): Promise<Finding[]> {
  const [{ loadPortal }, { portalDirectory }] = await Promise.all([
    import('../portal/load.ts'),
    import('./portal-options.ts'),
  ]);
  return loadPortal().inspectBox({
    settingsFile: BOX_SETTINGS,
    portalDirectory: portalDirectory(process),
    version,
    userName: userInfo().username,
  });
}

async function configPath(): Promise<string> {
  return (await import('../lib/scope/paths.ts')).brainPaths(process.env, homedir).configFile;
}

async function readConfig(): Promise<Config> {
  return (await import('../lib/scope/config.ts')).loadConfig(await configPath());
}

async function commitTime(revision: string): Promise<number | undefined> {
  const [{ currentDirectory }, git] = await Promise.all([
    import('../lib/scope/paths.ts'),
    import('../lib/scope/git.ts'),
  ]);
  return git.commitTimeMs(currentDirectory(), revision, process.env);
}

/** Never fails: it is begun before the project is located, which tells what is wrong with the place or the settings. */
async function provenance(directory?: string): Promise<Provenance> {
  const { env } = process;
  try {
    if (env['SM_PROVENANCE'] === '0' || (await readConfig()).provenance === false) return {};
    const [{ currentDirectory }, { provenanceOfPlace }] = await Promise.all([
      import('../lib/scope/paths.ts'),
      import('../lib/scope/provenance.ts'),
    ]);
    const session = detectSession(env);
    const place = await provenanceOfPlace(directory ?? currentDirectory(), env);
    return { ...place, ...(session === undefined ? {} : { session }) };
  } catch {
    return {};
  }
}

async function locate(directory?: string): Promise<Location> {
  const [{ brainPaths, currentDirectory }, { loadConfig }, { resolveScope }] = await Promise.all([
    import('../lib/scope/paths.ts'),
    import('../lib/scope/config.ts'),
    import('../lib/scope/resolve.ts'),
  ]);
  const { brainDirectory, configFile } = brainPaths(process.env, homedir);
  const config = loadConfig(configFile);
  const scope = resolveScope({ env: process.env, cwd: directory ?? currentDirectory(), config });
  return {
    brainDirectory,
    ...scope,
    ...(config.agent === undefined ? {} : { configAgent: config.agent }),
    ...(config.host?.idleMs === undefined ? {} : { hostIdleMs: config.host.idleMs }),
  };
}
