/**
 * What systemd is told of a service that it started with `Type=notify`: that it is ready, what it does, and at times
 * that it still lives. Node cannot send to the socket itself, which takes datagrams, so systemd's own helper does.
 * Without a service manager every call does nothing.
 */
import { execFile } from 'node:child_process';
import type { Context } from './command.ts';

type Environment = Context['env'];

/** Of the time after which systemd takes the service for hung. */
const WATCHDOG_SHARE = 1 / 3;
const HELPER_TIMEOUT_MS = 5_000;
const VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

export interface ServiceManager {
  /** From now on the watchdog is fed, as long as this process turns its wheel. @param status one line for people */
  ready(status: string): Promise<void>;
  /** It is ending, and its end is no failure. */
  stopping(): Promise<void>;
}

export function serviceManager(env: Environment): ServiceManager {
  if (!env['NOTIFY_SOCKET']) return { ready: async () => {}, stopping: async () => {} };
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> = Promise.resolve();
  let isFeeding = false;
  /** One helper after the other: what is said first is heard first, and the end last. */
  const tell = (...words: string[]) => (turn = turn.then(() => runHelper(words, env)));
  /** Not again before the last time is over, so that a slow helper is not waited for by many. */
  const feed = async (): Promise<void> => {
    if (isFeeding) return;
    isFeeding = true;
    await tell('WATCHDOG=1');
    isFeeding = false;
  };
  return {
    async ready(status) {
      await tell('READY=1', `STATUS=${status}`);
      const periodMs = watchdogMs(env);
      clearInterval(timer);
      if (periodMs !== undefined) timer = setInterval(() => void feed(), periodMs * WATCHDOG_SHARE).unref();
    },
    async stopping() {
      clearInterval(timer);
      await tell('STOPPING=1');
    },
  };
}

/** What the programs that a service starts are given: they must not speak in its name. */
export function withoutServiceManager(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !VARIABLES.some((own) => own === name)));
}

/** Undefined where no watchdog waits for this process. */
function watchdogMs(env: Environment): number | undefined {
  const periodUs = Number(env['WATCHDOG_USEC']);
  const pid = env['WATCHDOG_PID'];
  const isMeant = pid === undefined || pid === String(process.pid);
  return isMeant && Number.isFinite(periodUs) && periodUs > 0 ? periodUs / 1_000 : undefined;
}

/** Resolves whatever comes of it: who cannot be told is no reason to stop serving. */
function runHelper(words: readonly string[], env: Environment): Promise<void> {
  return new Promise((resolve) => {
    const options = { env: env as NodeJS.ProcessEnv, timeout: HELPER_TIMEOUT_MS };
    execFile('systemd-notify', words, options, () => resolve());
  });
}
