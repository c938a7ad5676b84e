/**
 * Watches all sessions, also with no viewer there: one tmux client in control mode for each, whose output is looked through
 * for alerts, and a look at the screen when a session falls silent. Owns those clients, and what each session wants.
 * Invariant: of a session at most SCANNED_BYTES_MAX a second are looked through; of a flood the rest is thrown away, and that
 * it was is known: whoever may have rung unheard is told of when it falls silent.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { History } from './absences.ts';
import { AlertScanner } from './alerts.ts';
import { SessionAttention } from './attention.ts';
import { ControlModeReader } from './control-mode.ts';
import type { Attention } from './protocol.ts';

/** How often sessions are listed and silences looked for, in milliseconds. */
const INTERVAL_MS = 2_000;
const SESSIONS_WATCHED_MAX = 32;
const PANES_MAX = 64;
const SCANNED_BYTES_MAX = 2 * 1024 * 1024;
const WINDOW_MS = 1_000;

export interface WatchRim {
  /** Names of the sessions that there are, and whether tmux knows of a bell. */
  list(): Promise<({ name: string; hasRung: boolean } & History)[]>;
  /** A tmux client in control mode, on a session. */
  controlArgv(name: string): { file: string; args: string[]; env: NodeJS.ProcessEnv };
  /** What stands on the session's screen. */
  screen(name: string): Promise<string>;
  nowMs(): number;
  /** Ends what an earlier portal left behind when it was killed. */
  endOrphans(): Promise<void>;
  /** The processes that watch now. */
  noteWatchers(pids: readonly number[]): void;
  quietMs?: number | undefined;
  onAttention(name: string, attention: Attention): void;
}

interface Watched {
  client: ChildProcessWithoutNullStreams;
  attention: SessionAttention;
  panes: Map<string, AlertScanner>;
  /** Since the present second began; 0 where none has. */
  readBytes: number;
}

export class Watch {
  readonly #rim: WatchRim;
  readonly #watched = new Map<string, Watched>();
  #histories: ReadonlyMap<string, History> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  /** The look that is under way, or the last one. */
  #looking: Promise<void> = Promise.resolve();

  constructor(rim: WatchRim) {
    this.#rim = rim;
  }

  start(): void {
    this.#timer = setInterval(() => {
      if (!this.#isLooking) this.#looking = this.#look();
    }, INTERVAL_MS);
    this.#isLooking = true;
    this.#looking = this.#rim
      .endOrphans()
      .catch(() => undefined) // tmux does not answer: whoever is left watches on, and changes nothing.
      .then(() => this.#look());
  }

  /** Resolves when none of its clients is left, and nothing more is asked of tmux. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#looking;
    await Promise.all([...this.#watched.keys()].map((name) => this.#forget(name)));
  }

  wants(name: string): Attention | undefined {
    return this.#watched.get(name)?.attention.wants;
  }

  /** What had left its screen at the last look. */
  historyOf(name: string): History | undefined {
    return this.#histories.get(name);
  }

  seen(name: string): void {
    this.#watched.get(name)?.attention.seen();
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    try {
      const sessions = (await this.#rim.list()).slice(0, SESSIONS_WATCHED_MAX);
      if (this.#timer === undefined) return;
      this.#histories = new Map(sessions.map(({ name, pane, historyLines }) => [name, { pane, historyLines }]));
      const names = new Set(sessions.map(({ name }) => name));
      for (const name of [...this.#watched.keys()]) if (!names.has(name)) void this.#forget(name);
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
    this.#note();
    const end = (): void => {
      if (this.#watched.get(name)?.client === client) this.#watched.delete(name);
      this.#note();
    };
    client.on('error', end).on('exit', end);
    client.stdin.on('error', () => undefined); // It ends by itself; so does the watch.
    client.stderr.resume();
    const reader = new ControlModeReader();
    client.stdout.on('data', (chunk: Buffer) => {
      if (!this.#isWithinBounds(watched, chunk.length)) {
        watched.attention.noteGap(this.#rim.nowMs());
        return reader.skip();
      }
      for (const event of reader.push(chunk)) {
        if (event.type === 'pause') {
          watched.attention.noteGap(this.#rim.nowMs());
          goOn(watched, [event.pane]);
        } else this.#hear(name, watched, event.pane, event.text);
      }
    });
    // What rang before anybody watched is known to tmux alone.
    if (hasRung) this.#tell(name, watched.attention.noteAlert({ kind: 'bell', text: '' }, this.#rim.nowMs()));
  }

  #note(): void {
    this.#rim.noteWatchers([...this.#watched.values()].flatMap(({ client }) => client.pid ?? []));
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

  #isWithinBounds(watched: Watched, bytes: number): boolean {
    if (watched.readBytes === 0) {
      setTimeout(() => {
        // That a pane was paused may be in what was thrown away.
        if (watched.readBytes > SCANNED_BYTES_MAX) goOn(watched, [...watched.panes.keys()]);
        watched.readBytes = 0;
      }, WINDOW_MS).unref();
    }
    watched.readBytes += bytes;
    return watched.readBytes <= SCANNED_BYTES_MAX;
  }

  async #lookAtScreen(name: string, attention: SessionAttention): Promise<void> {
    const screen = await this.#rim.screen(name);
    this.#tell(name, attention.noteScreen(screen, this.#rim.nowMs()));
  }

  #tell(name: string, attention: Attention | undefined): void {
    if (attention !== undefined) this.#rim.onAttention(name, attention);
  }

  async #forget(name: string): Promise<void> {
    const client = this.#watched.get(name)?.client;
    this.#watched.delete(name);
    if (client === undefined || client.exitCode !== null || client.signalCode !== null) return;
    const ended = new Promise((resolve) => client.once('exit', resolve).once('error', resolve));
    client.stdin.end(); // tmux' way to let a control client go.
    client.kill();
    await ended;
  }
}

/** tmux stops a pane's output for a client that is late, until it asks for it. */
function goOn({ client }: Watched, panes: readonly string[]): void {
  for (const pane of panes) client.stdin.write(`refresh-client -A '${pane}:continue'\n`);
}
