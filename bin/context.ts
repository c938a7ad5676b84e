/** The real world behind Context: this process's streams, clock, environment and brain. Loads each part when asked. */
import { randomUUID } from 'node:crypto';
import { homedir } from 'node:os';
import { version } from '../lib/core/version.ts';
import type { Context, Location } from './command.ts';
import { CATALOGUE } from './commands/groups.ts';
import { createStderr, createStdout } from './output.ts';

export function createContext(signal: AbortSignal): Context {
  const env = process.env;
  return {
    env,
    version,
    catalogue: CATALOGUE,
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
    newId: () => randomUUID(),
    locate,
    connect: async (options) => {
      const { connectBrain } = await import('../lib/host/client.ts');
      return connectBrain({ ...options, clientVersion: version });
    },
    host: {
      status: async (options) => (await import('../lib/host/control.ts')).hostStatus(options),
      stop: async (options) => (await import('../lib/host/control.ts')).stopHost(options),
      logFile: async (brainDirectory) => (await import('../lib/host/control.ts')).hostLogFile(brainDirectory),
    },
    inspect: async (options) => {
      const { inspectBrain } = await import('../lib/host/doctor.ts');
      return inspectBrain({ ...options, clientVersion: version });
    },
  };
}

async function locate(): Promise<Location> {
  const [{ brainPaths, currentDirectory }, { loadConfig }, { resolveScope }] = await Promise.all([
    import('../lib/scope/paths.ts'),
    import('../lib/scope/config.ts'),
    import('../lib/scope/resolve.ts'),
  ]);
  const { brainDirectory, configFile } = brainPaths(process.env, homedir);
  const config = loadConfig(configFile);
  const scope = resolveScope({ env: process.env, cwd: currentDirectory(), config });
  return {
    brainDirectory,
    ...scope,
    ...(config.agent === undefined ? {} : { configAgent: config.agent }),
    ...(config.host?.idleMs === undefined ? {} : { hostIdleMs: config.host.idleMs }),
  };
}
