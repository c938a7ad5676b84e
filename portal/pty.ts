/**
 * Real terminals, by node-pty: the only file that loads it, and only when one is wanted, since it is an optional
 * dependency with a binary for each platform. Invariant: nothing is written to a descriptor that may be another's by
 * now, and a closed terminal leaves neither process nor descriptor.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import type { IPty } from '@lydell/node-pty';
import type * as NodePty from '@lydell/node-pty';
import { SmError } from '../lib/core/errors.ts';
import type { Terminal, TerminalEnd } from './session.ts';

/** Sizes beyond are accepted by the kernel, and then are every program's trouble. */
export const COLUMNS_MAX = 1_000;
export const ROWS_MAX = 500;

/** A program that does not read its input is asked again after this long, in milliseconds. */
const INPUT_RETRY_MS = 5;
/** What is written at once at most; a line discipline holds 4 KiB. */
const INPUT_SLICE_BYTES = 64 * 1024;
/** How long a program that was hung up on may take before it is killed. */
const HANGUP_PATIENCE_MS = 2_000;

export interface SpawnOptions {
  argv: readonly [string, ...string[]];
  columns: number;
  rows: number;
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Input waits for the first output: tmux throws away what was typed before it has set up its terminal. */
  isInputHeld?: boolean;
}

let nodePty: typeof NodePty | undefined;

/** @throws SmError `unavailable` where there is no binary for this machine */
export function loadNodePty(): typeof NodePty {
  try {
    nodePty ??= createRequire(import.meta.url)('@lydell/node-pty') as typeof NodePty;
    return nodePty;
  } catch (cause) {
    throw new SmError({
      code: 'unavailable',
      message: `This machine (${process.platform} ${process.arch}) has no terminal for the portal: node-pty is not available.`,
      hint: 'Install again without --omit=optional. There are binaries for Linux (glibc 2.28 or newer), macOS and Windows, x64 and arm64.',
      cause,
    });
  }
}

/** Runs a program behind a terminal of its own. @throws SmError `unavailable` */
export function spawnTerminal({ argv, columns, rows, cwd, env, isInputHeld = false }: SpawnOptions): Terminal {
  const { spawn } = loadNodePty();
  const [file, ...args] = argv;
  const size = clampSize(columns, rows);
  const pty = spawn(file, args, {
    name: 'xterm-256color',
    cols: size.columns,
    rows: size.rows,
    cwd,
    env: definedOf(env),
    // Buffers: half a character at the end of a read must not become a question mark.
    encoding: null,
  });
  return new PtyTerminal(pty, isInputHeld);
}

export function clampSize(columns: number, rows: number): { columns: number; rows: number } {
  return { columns: clamp(columns, 2, COLUMNS_MAX), rows: clamp(rows, 1, ROWS_MAX) };
}

/** What node-pty does not declare, of the exact version that is pinned; missing on Windows. */
interface PtyInternals {
  readonly fd?: number;
  readonly _socket?: { readonly destroyed: boolean };
}

class PtyTerminal implements Terminal {
  readonly #pty: IPty & PtyInternals;
  readonly #input: Buffer[] = [];
  #inputBytes = 0;
  #retry: NodeJS.Timeout | undefined;
  #hasEnded = false;
  #isClosed = false;
  #drained: (() => void) | undefined;
  #isInputHeld: boolean;

  constructor(pty: IPty & PtyInternals, isInputHeld: boolean) {
    this.#pty = pty;
    this.#isInputHeld = isInputHeld;
    pty.onExit(() => this.#stop());
    const first = pty.onData(() => {
      first.dispose();
      this.#isInputHeld = false;
      if (pty.fd !== undefined) this.#writeInput(pty.fd);
    });
  }

  get pid(): number {
    return this.#pty.pid;
  }

  get inputBytes(): number {
    return this.#inputBytes;
  }

  /**
   * Written here and not by node-pty, whose writer asks a program that does not read without a pause, at the cost of a
   * whole processor, and keeps count of nothing.
   */
  write(bytes: Buffer): void {
    if (this.#hasEnded || bytes.length === 0) return;
    if (this.#pty.fd === undefined) return this.#pty.write(bytes.toString('utf8'));
    this.#input.push(bytes);
    this.#inputBytes += bytes.length;
    if (this.#retry === undefined && !this.#isInputHeld) this.#writeInput(this.#pty.fd);
  }

  #writeInput(fd: number): void {
    this.#retry = undefined;
    for (let next = this.#input[0]; next !== undefined; next = this.#input[0]) {
      if (this.#hasEnded || this.#pty._socket?.destroyed === true) return this.#stop();
      const written = writeNow(fd, next);
      this.#inputBytes -= written;
      if (written === next.length) this.#input.shift();
      else if (written > 0) this.#input[0] = next.subarray(written);
      else {
        this.#retry = setTimeout(() => this.#writeInput(fd), INPUT_RETRY_MS);
        return;
      }
    }
    this.#drained?.();
  }

  resize(columns: number, rows: number): void {
    if (this.#hasEnded) return; // The descriptor is closed, and may be another's.
    const size = clampSize(columns, rows);
    this.#pty.resize(size.columns, size.rows);
  }

  pause(): void {
    this.#pty.pause();
  }

  resume(): void {
    if (!this.#hasEnded) this.#pty.resume();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#hasEnded) return;
    this.#stopInput();
    // A paused terminal never reports its end, and so would never be let go of.
    this.#pty.resume();
    this.#pty.kill();
    const timer = setTimeout(() => this.#pty.kill('SIGKILL'), HANGUP_PATIENCE_MS);
    this.#pty.onExit(() => clearTimeout(timer));
  }

  onData(listener: (bytes: Buffer) => void): void {
    // With `encoding: null` these are Buffers, whatever the types say.
    this.#pty.onData((data) => {
      if (!this.#isClosed) listener(data as unknown as Buffer);
    });
  }

  onEnd(listener: (end: TerminalEnd) => void): void {
    this.#pty.onExit(({ exitCode, signal }) => {
      if (!this.#isClosed) listener({ exitCode, signal: signal ?? 0 });
    });
  }

  onDrain(listener: () => void): void {
    this.#drained = listener;
  }

  #stop(): void {
    this.#hasEnded = true;
    this.#stopInput();
    this.#drained?.();
  }

  #stopInput(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#input.length = 0;
    this.#inputBytes = 0;
  }
}

/** How much the program took: 0 where it reads nothing at the moment, all of it where it no longer can. */
function writeNow(fd: number, bytes: Buffer): number {
  try {
    return fs.writeSync(fd, bytes, 0, Math.min(bytes.length, INPUT_SLICE_BYTES));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return 0;
    if (code === 'EIO' || code === 'EBADF') return bytes.length; // Nobody is there to read it; its end is reported.
    throw error;
  }
}

function clamp(value: number, least: number, most: number): number {
  return Number.isFinite(value) ? Math.min(most, Math.max(least, Math.floor(value))) : least;
}

function definedOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined));
}
