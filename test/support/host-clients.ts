/** Client processes for the tests of the host, and what they were promised. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DIST_DIRECTORY } from './host-brain.ts';

const PROGRAM = fileURLToPath(new URL('host-client.mjs', import.meta.url));

export interface ClientJob {
  directory: string;
  titles: string[];
  dist?: string;
  host?: boolean;
  inFlight?: number;
  /** Also asks for something that is refused. */
  refuse?: boolean;
  /** Entries of one request. */
  batch?: number;
  summary?: string;
  /** Arguments for node itself. */
  nodeArguments?: string[];
}

export interface Client {
  process: ChildProcess;
  acknowledged: string[];
  errors: string[];
  /** Resolves when the brain is open, or the process has ended. */
  opened: Promise<void>;
  /** Resolves with the exit code, or the signal, once all it said has been read. */
  ended: Promise<number | NodeJS.Signals | null>;
}

export function startClient({ nodeArguments = [], ...job }: ClientJob): Client {
  const child = spawn(process.execPath, [...nodeArguments, PROGRAM], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(JSON.stringify({ dist: DIST_DIRECTORY, ...job }));
  const acknowledged: string[] = [];
  const errors: string[] = [];
  let isOpen: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    isOpen = resolve;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as { open?: true; acknowledged?: string; error?: string; message?: string };
    if (said.open === true) isOpen();
    if (said.acknowledged !== undefined) acknowledged.push(said.acknowledged);
    if (said.error !== undefined) errors.push(`${said.error}: ${said.message}`);
  });
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.on('close', (code, signal) => {
      isOpen();
      resolve(signal ?? code);
    });
  });
  return { process: child, acknowledged, errors, opened, ended };
}

/** `prefix 0`, `prefix 1` … */
export function numberedTitles(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => `${prefix} ${String(number).padStart(4, '0')}`);
}
