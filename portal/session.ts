/**
 * One viewer's attachment to a terminal, without knowing any transport: numbers what the terminal says, hands it to
 * whoever is connected, pauses the terminal while too much of it is unacknowledged, and keeps what a lost viewer has not
 * seen. Invariant: what is held is at most the window and one read beyond, whatever a viewer does; a viewer that names
 * the last byte it has gets the next one, or is told that it cannot.
 */
import { SmError } from '../lib/core/errors.ts';
import { ReplayBuffer, wholeCharacters } from './replay.ts';
import { Window } from './window.ts';

/** A running program behind a terminal line. `pty.ts` makes real ones. */
export interface Terminal {
  readonly pid: number;
  /** Bytes that wait to be read by the program. */
  readonly inputBytes: number;
  write(bytes: Buffer): void;
  resize(columns: number, rows: number): void;
  pause(): void;
  resume(): void;
  /** Hangs up, and sees to it that nothing is left. Nothing is reported afterwards. */
  close(): void;
  onData(listener: (bytes: Buffer) => void): void;
  onEnd(listener: (end: TerminalEnd) => void): void;
  /** The program has taken all that was written. */
  onDrain(listener: () => void): void;
}

export interface TerminalEnd {
  exitCode: number;
  signal: number;
}

/** Whoever is connected at the moment. */
export interface Viewer {
  send(bytes: Buffer): void;
  ended(end: TerminalEnd): void;
  /** Another goes on in its place. */
  replaced(): void;
}

export interface SessionRim {
  nowMs(): number;
  /** Runs as soon as what is being read has been read. */
  soon(run: () => void): void;
  /** Runs after HOLD_MS: so that many small reads become one frame. */
  later(run: () => void): void;
}

/** How long output is gathered, in milliseconds, while its viewer is busy with what it has. */
export const HOLD_MS = 2;
/** With less on its way a viewer is not busy, and an echo goes out at once. */
const BUSY_BYTES = 8 * 1024;
/** Enough for a frame: a terminal is read 4 KiB at a time, and a frame costs as much as 10 KiB of its contents. */
const FRAME_BYTES_GOOD = 32 * 1024;
/** A frame of output. Larger ones hold the page's event loop up. */
export const FRAME_BYTES_MAX = 64 * 1024;

export class Attachment {
  readonly #terminal: Terminal;
  readonly #rim: SessionRim;
  readonly #ring = new ReplayBuffer();
  #window: Window;
  #viewer: Viewer | undefined;
  #sentSeq = 0;
  #ackedSeq = 0;
  #isPaused = false;
  #isFlushPlanned = false;
  #end: TerminalEnd | undefined;

  constructor(terminal: Terminal, rim: SessionRim) {
    this.#terminal = terminal;
    this.#rim = rim;
    this.#window = new Window(0, rim.nowMs());
    terminal.onData((bytes) => this.#take(bytes));
    terminal.onEnd((end) => {
      this.#end = end;
      this.#flush(true);
      this.#viewer?.ended(end);
    });
  }

  get isConnected(): boolean {
    return this.#viewer !== undefined;
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get unacknowledgedBytes(): number {
    return this.#ring.headSeq - this.#ackedSeq;
  }

  get windowBytes(): number {
    return this.#window.bytes;
  }

  get roundTripMs(): number | undefined {
    return this.#window.roundTripMs;
  }

  /** How much a viewer that has everything before `seq` has missed, or undefined where that is no longer here. */
  missedBytes(seq: number): number | undefined {
    return seq < this.#ring.firstSeq || seq > this.#sentSeq ? undefined : this.#ring.headSeq - seq;
  }

  /** Goes on with a viewer that has everything before `seq`; one that was connected is no longer. */
  connect(viewer: Viewer, seq: number): void {
    if (this.missedBytes(seq) === undefined) throw new RangeError(`byte ${seq} cannot be gone on from`);
    const last = this.#viewer;
    this.#viewer = viewer;
    if (last !== viewer) last?.replaced();
    this.#sentSeq = seq;
    // What it has, it has: its terminal may still be parsing, but it will not ask for it again.
    this.#ackedSeq = Math.max(this.#ackedSeq, seq);
    this.#ring.release(this.#ackedSeq);
    this.#window = new Window(this.#ackedSeq, this.#rim.nowMs());
    this.#flush(false);
    this.#resumeIfDrained();
    if (this.#end !== undefined) viewer.ended(this.#end);
  }

  /** The viewer is gone; the terminal goes on until the window is full. */
  disconnect(viewer: Viewer): void {
    if (this.#viewer === viewer) this.#viewer = undefined;
  }

  /** The viewer's terminal has parsed everything before `seq`. @throws SmError `bad_request` where that cannot be */
  acknowledge(seq: number): void {
    if (!Number.isSafeInteger(seq) || seq < this.#ackedSeq || seq > this.#sentSeq) {
      throw new SmError({ code: 'bad_request', message: `Byte ${seq} was acknowledged, which was never sent.` });
    }
    this.#ackedSeq = seq;
    this.#ring.release(seq);
    this.#window.acknowledged(seq, this.#rim.nowMs());
    this.#resumeIfDrained();
  }

  write(bytes: Buffer): void {
    if (this.#end === undefined) this.#terminal.write(bytes);
  }

  resize(columns: number, rows: number): void {
    if (this.#end === undefined) this.#terminal.resize(columns, rows);
  }

  /** Bytes of input that the program has not taken. */
  get inputBytes(): number {
    return this.#terminal.inputBytes;
  }

  onDrain(listener: () => void): void {
    this.#terminal.onDrain(listener);
  }

  get pid(): number {
    return this.#terminal.pid;
  }

  close(): void {
    this.#viewer = undefined;
    this.#terminal.close();
  }

  #take(bytes: Buffer): void {
    this.#ring.append(bytes);
    if (!this.#isPaused && this.unacknowledgedBytes >= this.#window.bytes) {
      this.#isPaused = true;
      this.#terminal.pause();
    }
    if (this.#isPaused || this.#ring.headSeq - this.#sentSeq >= FRAME_BYTES_GOOD) return this.#flush(false);
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    const flush = () => {
      this.#isFlushPlanned = false;
      this.#flush(false);
    };
    if (this.#sentSeq - this.#ackedSeq >= BUSY_BYTES) this.#rim.later(flush);
    else this.#rim.soon(flush);
  }

  #flush(isLast: boolean): void {
    while (this.#viewer !== undefined && this.#sentSeq < this.#ring.headSeq) {
      const bytes = this.#ring.read(this.#sentSeq, FRAME_BYTES_MAX);
      const whole = isLast ? bytes.length : wholeCharacters(bytes);
      if (whole === 0) return; // Half a character: the other half is on its way.
      this.#sentSeq += whole;
      this.#window.sent(this.#sentSeq, this.#rim.nowMs());
      this.#viewer.send(bytes.subarray(0, whole));
    }
  }

  /** Half the window: so that it is not paused and resumed for each acknowledgement. */
  #resumeIfDrained(): void {
    if (!this.#isPaused || this.unacknowledgedBytes > this.#window.bytes / 2) return;
    this.#isPaused = false;
    this.#terminal.resume();
  }
}
