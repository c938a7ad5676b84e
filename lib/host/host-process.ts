/** Starts the host as a process of its own, which outlives whoever started it. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { errorFromJson, SmError, type SmErrorJson } from '../core/errors.ts';
import { assetPath } from '../store/assets.ts';

/** Inherited by the host; it writes one line here when it listens, or when it cannot. */
export const HOST_READY_DESCRIPTOR = 3;

/** `listening` is also said where another host does. */
export type HostStartReport = { listening: true } | { error: SmErrorJson };

/** A host without clients ends after this long. */
export const HOST_IDLE_MS_DEFAULT = 15 * 60 * 1000;
const START_DEADLINE_MS = 90_000;
/** A host may be killed while it starts, by a person or by a system short of memory. */
const STARTS_MAX = 5;

/** Starts a host and waits until it listens. @throws SmError what kept it from listening */
export async function startHost(brainDirectory: string, idleMs: number): Promise<void> {
  for (let starts = 1; ; starts += 1) {
    const report = await startOnce(brainDirectory, idleMs);
    if ('error' in report) throw errorFromJson(report.error);
    if ('listening' in report) return;
    if (starts === STARTS_MAX)
      throw notStarted(`The brain host was killed at once, again and again (${report.killed}).`);
  }
}

async function startOnce(
  brainDirectory: string,
  idleMs: number,
): Promise<HostStartReport | { killed: NodeJS.Signals }> {
  // Liftoff alone: half the time to the first query and 50 MB less than optimised WebAssembly, whose gain a brain
  // never feels.
  const child = spawn(process.execPath, ['--liftoff-only', assetPath('host.js'), brainDirectory, String(idleMs)], {
    detached: true,
    cwd: brainDirectory,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    env: hostEnvironment(process.env),
    windowsHide: true,
  });
  // Where no descriptors are left, there is no pipe; the 'error' event tells.
  const pipe = child.stdio?.[HOST_READY_DESCRIPTOR] as Readable | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      let text = '';
      pipe?.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
        if (text.includes('\n')) resolve(JSON.parse(text) as HostStartReport);
      });
      child.on('error', (error) => reject(notStarted(`The brain host could not be started: ${error.message}`, error)));
      child.on('close', (code, signal) => {
        if (signal === null) reject(notStarted(`The brain host ended at once (code ${code}).`));
        else resolve({ killed: signal });
      });
      timer = setTimeout(() => reject(notStarted('The brain host did not start in time.')), START_DEADLINE_MS);
    });
  } finally {
    clearTimeout(timer);
    pipe?.destroy();
    child.unref();
  }
}

function notStarted(message: string, cause?: unknown): SmError {
  return new SmError({
    code: 'host_failed',
    message,
    hint: '"sm host logs" shows what it last said. SM_NO_HOST=1 works without a host.',
    cause,
  });
}

/** The host must not inherit what would make it listen on ports or load strangers' code. */
function hostEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const {
    NODE_OPTIONS: _options,
    NODE_INSPECT_RESUME_ON_START: _inspect,
    NODE_CHANNEL_FD: _channel,
    ...rest
  } = environment;
  return rest;
}
