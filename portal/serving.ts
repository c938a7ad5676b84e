/**
 * `sm portal start` from its options to its end, and what the other commands ask. Owns the portal's directory (0700) and
 * its lock: one portal a directory.
 */
import path from 'node:path';
import { setTimeout as waitMs } from 'node:timers/promises';
import { SmError, toSmError } from '../lib/core/errors.ts';
import { tryTakeLock } from '../lib/host/lock.ts';
import { ensurePrivateDirectory } from '../lib/host/places.ts';
import { takeSignals } from '../lib/host/take-signals.ts';
import { Access } from './access.ts';
import { loadAssets } from './assets.ts';
import type { BrainRim } from './brain-window.ts';
import { askPortal, type ControlRequest, serveControl } from './control.ts';
import { isLoopback, isTailnet } from './names.ts';
import { Portal, type PortalStatus } from './portal.ts';
import { loadNodePty } from './pty.ts';
import { type Agent, PlainSource, TmuxSource } from './sources.ts';
import { checkName } from './tmux.ts';
import { Tailscale } from './tailscale.ts';

/** Until a viewer comes and brings its own size. */
const FIRST_SIZE = { columns: 120, rows: 40 } as const;
const CLOSE_PATIENCE_MS = 5_000;
const LOCK_LOOK_MS = 20;

export interface StartOptions {
  /** `~/.stackmemory/portal` */
  directory: string;
  port: number;
  host?: string;
  session: string;
  agent: Agent;
  hasTmux: boolean;
  /** Whether tmux' server is started where none runs; it is a child of the portal then. */
  startsTmuxServer: boolean;
  hasAuth: boolean;
  isReadOnly: boolean;
  allowed: readonly string[];
  hostNames: readonly string[];
  /** How the brain's page reaches the brain. */
  brain: BrainRim;
  tailscaledSocket?: string;
}

export interface Started {
  addresses: string[];
  session: string;
  problems: string[];
  /** Lets a browser in; shown to people only. */
  token: string | null;
}

/** Serves until a signal or `stop`, and resolves with the exit code. @throws SmError where it cannot begin */
export async function start(
  options: StartOptions,
  onStarted: (started: Started) => Promise<void>,
  log: (message: string) => void,
): Promise<number> {
  const { directory, host } = options;
  checkName(options.session);
  if (!options.hasAuth && host !== undefined && !isLoopback(host) && !isTailnet(host)) {
    throw new SmError({
      code: 'forbidden',
      message: `--no-auth on ${host} would give a terminal to whoever is in the same network.`,
      hint: 'Leave out --no-auth, or leave out --host.',
    });
  }
  loadNodePty();
  ensurePrivateDirectory(directory);
  const lock = tryTakeLock(path.join(directory, 'lock'), { pid: process.pid, kind: 'process' });
  if (lock === undefined) {
    throw new SmError({
      code: 'exists',
      message: 'A portal is already running.',
      hint: 'See sm portal status; end it with sm portal stop, or use another STACKMEMORY_HOME.',
    });
  }
  try {
    return await serve(options, onStarted, log);
  } finally {
    lock.release();
  }
}

async function serve(
  options: StartOptions,
  onStarted: (started: Started) => Promise<void>,
  log: (message: string) => void,
): Promise<number> {
  const { directory, session, hasAuth, isReadOnly, allowed, hostNames, port, host } = options;
  const ending = untilAskedToEnd();
  const source = options.hasTmux
    ? new TmuxSource(options.agent, options.startsTmuxServer)
    : new PlainSource(options.agent);
  const portal = new Portal({
    ...{ directory, source, session, port, hasAuth, isReadOnly, allowed, hostNames, log, brain: options.brain },
    assets: loadAssets(),
    tailscale: new Tailscale(options.tailscaledSocket),
    ...(host === undefined ? {} : { host }),
    nowMs: () => Date.now(),
  });
  // A session that cannot be made is no reason not to serve: the page says what is wrong, and is where one sees it.
  await warm(source, session).then(
    () => portal.noteProblem('session', undefined),
    (error: unknown) => portal.noteProblem('session', sentenceOf(error)),
  );
  await portal.start();
  const control = await serveControl(directory, (request) => carryOut(portal, request, ending.end));
  const { addresses, problems } = await portal.status();
  await onStarted({ addresses, session, problems, token: hasAuth ? portal.access.token : null });
  await ending.ended;
  const timer = setTimeout(() => process.exit(0), CLOSE_PATIENCE_MS);
  await control.close();
  await portal.close();
  clearTimeout(timer);
  return 0;
}

async function warm(source: TmuxSource | PlainSource, session: string): Promise<void> {
  if (source instanceof TmuxSource) await source.check();
  await source.ensure(session, FIRST_SIZE.columns, FIRST_SIZE.rows);
}

function sentenceOf(error: unknown): string {
  const { message, hint } = toSmError(error);
  return hint === undefined ? message : `${message} ${hint}`;
}

async function carryOut(portal: Portal, request: ControlRequest, end: () => void): Promise<unknown> {
  switch (request.do) {
    case 'status':
      return { pid: process.pid, ...(await portal.status()) };
    case 'stop':
      setImmediate(end); // After the answer.
      return { pid: process.pid };
    case 'rotate':
      return { token: portal.rotate() };
    case 'share': {
      const share = portal.share(checkName(request.session), request.ageMs);
      return { ...share, addresses: portal.addresses() };
    }
    default:
      return request satisfies never;
  }
}

function untilAskedToEnd(): { ended: Promise<void>; end: () => void } {
  let resolve: () => void = () => undefined;
  const ended = new Promise<void>((done) => (resolve = done));
  // SIGHUP too: of a terminal that was closed it is meant for the portal, whose sessions live on.
  takeSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], () => resolve());
  return { ended, end: resolve };
}

/** Undefined where no portal runs. */
export async function portalStatus(directory: string): Promise<(PortalStatus & { pid: number }) | undefined> {
  return (await askPortal(directory, { do: 'status' })) as (PortalStatus & { pid: number }) | undefined;
}

/** Ends the portal, and waits until another may start in its place. Undefined where none runs. */
export async function stopPortal(directory: string): Promise<{ pid: number } | undefined> {
  const stopped = (await askPortal(directory, { do: 'stop' })) as { pid: number } | undefined;
  if (stopped !== undefined) await untilFree(directory, stopped.pid);
  return stopped;
}

/** A portal gives itself CLOSE_PATIENCE_MS to end. @throws SmError `host_unresponsive` where it has not after twice that */
async function untilFree(directory: string, pid: number): Promise<void> {
  const startedMs = performance.now();
  while (performance.now() - startedMs < 2 * CLOSE_PATIENCE_MS) {
    const lock = tryTakeLock(path.join(directory, 'lock'), { pid: process.pid, kind: 'process' });
    lock?.release();
    if (lock !== undefined) return;
    await waitMs(LOCK_LOOK_MS);
  }
  throw new SmError({
    code: 'host_unresponsive',
    message: `The portal (process ${pid}) was asked to end and has not.`,
    hint: `End it with kill -9 ${pid}; its sessions live on.`,
  });
}

/** The token, made where there is none; another one where asked, which ends all logins of the portal that runs. */
export async function portalToken(directory: string, isRotating: boolean): Promise<string> {
  const running = isRotating ? await askPortal(directory, { do: 'rotate' }) : undefined;
  if (running !== undefined) return (running as { token: string }).token;
  ensurePrivateDirectory(directory);
  const access = new Access(directory, () => Date.now());
  return isRotating ? access.rotate() : access.token;
}

export async function sharePortal(
  directory: string,
  session: string,
  ageMs: number,
): Promise<{ secret: string; expiresMs: number; addresses: string[] }> {
  const answer = await askPortal(directory, { do: 'share', session: checkName(session), ageMs });
  if (answer !== undefined) return answer as { secret: string; expiresMs: number; addresses: string[] };
  throw new SmError({
    code: 'unavailable',
    message: 'No portal is running, so there is nothing to look at.',
    hint: 'Start it first: sm portal start --detach',
  });
}
