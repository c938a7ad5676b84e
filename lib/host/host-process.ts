/** Starts the host as a process of its own, which outlives whoever started it. */
import { spawn } from 'node:child_process';
import { errorFromJson, SmError, type SmErrorJson } from '../core/errors.ts';
import { assetPath } from '../store/assets.ts';

/** Inherited by the host; it writes one line here when it listens, or when it cannot. */
export const HOST_READY_DESCRIPTOR = 3;

export type HostStartReport = { listening: true } | { error: SmErrorJson };

/** A host without clients ends after this long. */
export const HOST_IDLE_MS_DEFAULT = 15 * 60 * 1000;
const START_DEADLINE_MS = 30_000;

/** Starts a host and waits until it listens. @throws SmError what kept it from listening */
export async function startHost(brainDirectory: string, idleMs: number): Promise<void> {
  // Liftoff alone: half the time to the first query and 50 MB less than optimised WebAssembly, whose gain a brain
  // never feels.
  const child = spawn(process.execPath, ['--liftoff-only', assetPath('host.js'), brainDirectory, String(idleMs)], {
    detached: true,
    cwd: brainDirectory,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    env: hostEnvironment(process.env),
    windowsHide: true,
  });
  const report = await readReport(child);
  child.unref();
  if ('error' in report) throw errorFromJson(report.error);
}

function readReport(child: ReturnType<typeof spawn>): Promise<HostStartReport> {
  return new Promise((resolve, reject) => {
    let text = '';
    const pipe = child.stdio[HOST_READY_DESCRIPTOR] as import('node:stream').Readable;
    const fail = (message: string, cause?: unknown): void =>
      reject(
        new SmError({
          code: 'host_failed',
          message,
          hint: '"sm host logs" shows what it last said. SM_NO_HOST=1 works without a host.',
          cause,
        }),
      );
    const timer = setTimeout(() => fail('The brain host did not start in time.'), START_DEADLINE_MS);
    const done = (): void => {
      clearTimeout(timer);
      pipe.destroy();
    };
    pipe.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (!text.includes('\n')) return;
      done();
      resolve(JSON.parse(text) as HostStartReport);
    });
    child.on('error', (error) => (done(), fail(`The brain host could not be started: ${error.message}`, error)));
    child.on('close', (code, signal) => (done(), fail(`The brain host ended at once (${signal ?? `code ${code}`}).`)));
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
