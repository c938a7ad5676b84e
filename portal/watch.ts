/**
 * Watches all sessions, also with no viewer there: one tmux client in control mode for each, whose output is looked through
 * for alerts, and a look at the screen when a session falls silent. Owns those clients, and what each session wants.
 * Invariant: what is read of a session is at most READ_BYTES_MAX a second; of a flood the rest is skipped by tmux itself.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { AlertScanner } from './alerts.ts';
import { SessionAttention } from './attention.ts';
import { ControlModeReader } from './control-mode.ts';
import type { Attention } from './protocol.ts';

/** How often sessions are listed and silences looked for, in milliseconds. */
const INTERVAL_MS = 2_000;
const SESSIONS_WATCHED_MAX = 32;
const PANES_MAX = 64;
const READ_BYTES_MAX = 2 * 1024 * 1024;
const READ_WINDOW_MS = 1_000;

export interface WatchRim {
  /** Names of the sessions that there are, and whether tmux knows of a bell. */
  list(): Promise<{ name: string; hasRung: boolean }[]>;
  /** A tmux client in control mode, on a session. */
  controlArgv(name: string): { file: string; args: string[]; env: NodeJS.ProcessEnv };
  /** What stands on the session's screen. */
  screen(name: string): Promise<string>;
  nowMs(): number;
  quietMs?: number | undefined;
  onAttention(name: string, attention: Attention): void;
}

interface Watched {
  client: ChildProcessWithoutNullStreams;
  attention: SessionAttention;
  panes: Map<string, AlertScanner>;
  readBytes: number;
}

export class Watch {
  readonly #rim: WatchRim;
  readonly #watched = new Map<string, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;

  constructor(rim: WatchRim) {
    this.#rim = rim;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#look(), INTERVAL_MS);
    void this.#look();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const name of [...this.#watched.keys()]) this.#forget(name);
  }

  wants(name: string): Attention | undefined {
    return this.#watched.get(name)?.attention.wants;
  }

  seen(name: string): void {
    this.#watched.get(name)?.attention.seen();
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const sessions = (await this.#rim.list()).slice(0, SESSIONS_WATCHED_MAX);
      if (this.#timer === undefined) return;
      const names = new Set(sessions.map(({ name }) => name));
      for (const name of [...this.#watched.keys()]) if (!names.has(name)) this.#forget(name);
      for (const { name, hasRung } of sessions) if (!this.#watched.has(name)) this.#begin(name, hasRung);
      for (const [name, { attention }] of this.#watched) {
        if (attention.isToBeLookedAt(this.#rim.nowMs())) await this.#lookAtScreen(name, attention);
      }
    } catch {
      // tmux is gone or does not answer: it is asked again at the next look.
    } finally {
      this.#isLooking = false;
    }
  }

  #begin(name: string, hasRung: boolean): void {
    const { file, args, env } = this.#rim.controlArgv(name);
    const client = spawn(file, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    const watched: Watched = {
      client,
      attention: new SessionAttention(this.#rim.quietMs),
      panes: new Map(),
      readBytes: 0,
    };
    this.#watched.set(name, watched);
    const end = (): void => {
      if (this.#watched.get(name)?.client === client) this.#watched.delete(name);
    };
    client.on('error', end).on('exit', end);
    client.stdin.on('error', () => undefined); // It ends by itself; so does the watch.
    client.stderr.resume();
    const reader = new ControlModeReader();
    client.stdout.on('data', (chunk: Buffer) => {
      this.#throttle(watched, chunk.length);
      for (const event of reader.push(chunk)) {
        if (event.type === 'pause') client.stdin.write(`refresh-client -A '${event.pane}:continue'\n`);
        else this.#hear(name, watched, event.pane, event.text);
      }
    });
    // What rang before anybody watched is known to tmux alone.
    if (hasRung) this.#tell(name, watched.attention.noteAlert({ kind: 'bell', text: '' }, this.#rim.nowMs()));
  }

  #hear(name: string, { attention, panes }: Watched, pane: string, text: string): void {
    attention.noteOutput(this.#rim.nowMs());
    let scanner = panes.get(pane);
    if (scanner === undefined) {
      if (panes.size >= PANES_MAX) panes.clear();
      panes.set(pane, (scanner = new AlertScanner()));
    }
    for (const alert of scanner.push(text)) this.#tell(name, attention.noteAlert(alert, this.#rim.nowMs()));
  }

  /** Reads no more for the rest of a second in which enough was read; tmux then skips what is older than a second. */
  #throttle(watched: Watched, bytes: number): void {
    if (watched.readBytes === 0) {
      setTimeout(() => {
        watched.readBytes = 0;
        watched.client.stdout.resume();
      }, READ_WINDOW_MS).unref();
    }
    watched.readBytes += bytes;
    if (watched.readBytes > READ_BYTES_MAX) watched.client.stdout.pause();
  }

  async #lookAtScreen(name: string, attention: SessionAttention): Promise<void> {
    const screen = await this.#rim.screen(name);
    this.#tell(name, attention.noteScreen(screen, this.#rim.nowMs()));
  }

  #tell(name: string, attention: Attention | undefined): void {
    if (attention !== undefined) this.#rim.onAttention(name, attention);
  }

  #forget(name: string): void {
    const watched = this.#watched.get(name);
    this.#watched.delete(name);
    watched?.client.stdin.end(); // tmux' way to let a control client go.
    watched?.client.kill();
  }
}
