/**
 * All attachments of this portal: makes them, finds the one that a lost viewer comes back for, keeps it for a while, and
 * decides whose window size a session has. Knows no transport.
 * Invariant: at most VIEWERS_MAX attachments, connected and kept together; an attachment is only gone on with by whoever
 * shows its key and has the same rights.
 */
import { randomBytes } from 'node:crypto';
import { SmError } from '../lib/core/errors.ts';
import { isSameSecret, type Principal } from './access.ts';
import { Absences, type History, linesBetween } from './absences.ts';
import type { Attention, Hello, SessionInfo } from './protocol.ts';
import { Attachment, type Viewer } from './session.ts';
import type { SessionSource } from './session-source.ts';

export const VIEWERS_MAX = 128;
/** How long a lost viewer's attachment is kept: with tmux it is only a way to the session. */
const KEPT_WITH_TMUX_MS = 2 * 60_000;
/** Without tmux it is the session itself. */
const KEPT_WITHOUT_TMUX_MS = 12 * 3_600_000;
/** More that was missed is not replayed where tmux can paint the screen as it is now instead. */
const REPLAY_BYTES_MAX = 256 * 1024;

/** One viewer's way to a session. */
export interface Seat {
  readonly id: string;
  readonly key: string;
  session: string;
  readonly isReadOnly: boolean;
  readonly attachment: Attachment;
  columns: number;
  rows: number;
  /** When it typed last; it is who owns the size. */
  typedMs: number;
  ignoresSize: boolean;
  keptTimer: NodeJS.Timeout | undefined;
  /** What had left the session's screen when this viewer was heard of last. */
  history: History | undefined;
  /** Told when it shows a session of another name: this one was renamed, or another was chosen in the terminal. */
  onMove: ((name: string, to: string) => void) | undefined;
  /** Told when the size, its owner or the number of viewers changes. */
  onRoomChange: (() => void) | undefined;
}

export type OpenRequest = Hello & { session: string };

export interface HubRim {
  nowMs(): number;
  soon(run: () => void): void;
  later(run: () => void): void;
  keptMs?: number;
  /** What a session wants, and that somebody is there now. */
  attentionOf?(session: string): Attention | undefined;
  seen?(session: string): void;
  /** What has left its screen, as far as that is known. */
  historyOf?(session: string): History | undefined;
}

export class Hub {
  readonly #source: SessionSource;
  readonly #rim: HubRim;
  readonly #seats = new Map<string, Seat>();
  readonly #owners = new Map<string, string>();
  readonly #absences = new Absences();
  /** Calls of tmux about sizes, one after another, so that the last one wins. */
  #sizing: Promise<void> = Promise.resolve();
  /** Attachments that are being made. */
  #reserved = 0;
  #renames = 0;

  constructor(source: SessionSource, rim: HubRim) {
    this.#source = source;
    this.#rim = rim;
  }

  get source(): SessionSource {
    return this.#source;
  }

  get seats(): Iterable<Seat> {
    return this.#seats.values();
  }

  /** Goes on with the attachment that is named where that can be, or makes one. @throws SmError */
  async open(
    hello: OpenRequest,
    principal: Principal,
    viewer: Viewer,
  ): Promise<{ seat: Seat; mode: 'exact' | 'fresh'; seq: number; missedLines: number }> {
    const missedLines = this.#missedLines(hello);
    const kept = this.#resume(hello, principal, viewer);
    if (kept !== undefined) return { ...kept, missedLines };
    if (this.#seats.size + this.#reserved >= VIEWERS_MAX && !this.#dropOldestKept()) {
      throw new SmError({
        code: 'rate_limited',
        message: `There are ${VIEWERS_MAX} viewers, which is the most at once.`,
        hint: 'Close a tab somewhere else.',
      });
    }
    this.#reserved += 1;
    try {
      // Whoever may look at one session alone starts nothing, be it that session.
      if (principal.session !== undefined && this.#source.isTmux) await this.#requireSession(hello.session);
      else await this.#source.ensure(hello.session, hello.columns, hello.rows);
    } finally {
      this.#reserved -= 1;
    }
    const ignoresSize = principal.isReadOnly || hello.watch === true || this.#ownerOf(hello.session) !== undefined;
    const { columns, rows } = hello;
    const options = { columns, rows, isReadOnly: principal.isReadOnly, ignoresSize };
    const attachment = new Attachment(this.#source.attach(hello.session, options), this.#rim);
    const seat: Seat = {
      id: randomBytes(9).toString('base64url'),
      key: randomBytes(18).toString('base64url'),
      session: hello.session,
      isReadOnly: principal.isReadOnly,
      attachment,
      columns,
      rows,
      typedMs: 0,
      ignoresSize,
      keptTimer: undefined,
      history: this.#rim.historyOf?.(hello.session),
      onMove: undefined,
      onRoomChange: undefined,
    };
    this.#seats.set(seat.id, seat);
    attachment.connect(viewer, 0);
    if (!principal.isReadOnly) this.#rim.seen?.(seat.session);
    if (!ignoresSize) this.takeSize(seat);
    return { seat, mode: 'fresh', seq: 0, missedLines };
  }

  async #requireSession(name: string): Promise<void> {
    if (await this.#source.has(name)) return;
    throw new SmError({
      code: 'not_found',
      message: 'The session that this link is for has ended.',
      hint: 'Whoever made the link can start it again.',
    });
  }

  #resume({ resume, session, columns, rows }: OpenRequest, principal: Principal, viewer: Viewer) {
    const seat = resume === undefined ? undefined : this.#seats.get(resume.id);
    if (resume === undefined || seat === undefined || !isSameSecret(resume.key, seat.key)) return undefined;
    const missed = seat.attachment.missedBytes(resume.seq);
    const isUsable = seat.session === session && seat.isReadOnly === principal.isReadOnly && !seat.attachment.hasEnded;
    if (!isUsable || missed === undefined || (this.#source.isTmux && missed > REPLAY_BYTES_MAX)) {
      if (isUsable || seat.attachment.hasEnded) this.close(seat);
      return undefined;
    }
    clearTimeout(seat.keptTimer);
    this.resize(seat, columns, rows);
    seat.attachment.connect(viewer, resume.seq);
    if (!seat.ignoresSize || this.#ownerOf(session) === undefined) this.takeSize(seat);
    return { seat, mode: 'exact' as const, seq: resume.seq };
  }

  /** The viewer is lost: its attachment waits for it. */
  leave(seat: Seat, viewer: Viewer): void {
    seat.attachment.disconnect(viewer);
    if (seat.attachment.isConnected || !this.#seats.has(seat.id)) return;
    if (seat.attachment.hasEnded) return this.close(seat);
    seat.onRoomChange = undefined;
    seat.onMove = undefined;
    const keptMs = this.#rim.keptMs ?? (this.#source.isTmux ? KEPT_WITH_TMUX_MS : KEPT_WITHOUT_TMUX_MS);
    clearTimeout(seat.keptTimer);
    seat.keptTimer = setTimeout(() => this.close(seat), keptMs);
    seat.keptTimer.unref();
    this.tellRoom(seat.session);
  }

  close(seat: Seat): void {
    if (!this.#seats.delete(seat.id)) return;
    this.#absences.note(seat);
    clearTimeout(seat.keptTimer);
    seat.attachment.close();
    if (this.#owners.get(seat.session) === seat.id) {
      this.#owners.delete(seat.session);
      const next = this.#roomOf(seat.session)
        .filter((other) => !other.isReadOnly && other.attachment.isConnected && other.typedMs > 0)
        .sort((one, other) => other.typedMs - one.typedMs)[0];
      if (next !== undefined) return this.takeSize(next);
    }
    this.tellRoom(seat.session);
  }

  /** A sign of life of a viewer that is shown what there is. */
  heard(seat: Seat): void {
    seat.history = this.#rim.historyOf?.(seat.session) ?? seat.history;
  }

  /** How many lines have left the screen since a viewer that comes back was heard of. */
  #missedLines({ resume, session }: OpenRequest): number {
    if (resume === undefined) return 0;
    const last = this.#seats.get(resume.id) ?? this.#absences.of(resume.id);
    if (last === undefined || last.session !== session || !isSameSecret(resume.key, last.key)) return 0;
    return linesBetween(last.history, this.#rim.historyOf?.(session));
  }

  typed(seat: Seat): void {
    seat.typedMs = this.#rim.nowMs();
    this.#rim.seen?.(seat.session);
    if (this.#owners.get(seat.session) !== seat.id) this.takeSize(seat);
  }

  /** From now on the session has this viewer's size. */
  takeSize(seat: Seat): void {
    if (seat.isReadOnly) return;
    this.#owners.set(seat.session, seat.id);
    for (const other of this.#roomOf(seat.session)) this.#settleSize(other);
    this.tellRoom(seat.session);
  }

  resize(seat: Seat, columns: number, rows: number): void {
    if (seat.columns === columns && seat.rows === rows) return;
    Object.assign(seat, { columns, rows });
    seat.attachment.resize(columns, rows);
    if (this.isOwner(seat)) this.tellRoom(seat.session);
  }

  isOwner(seat: Seat): boolean {
    return this.#owners.get(seat.session) === seat.id;
  }

  /** The size that the session has: its owner's, or this viewer's own where nobody here owns it. */
  sizeFor(seat: Seat): { columns: number; rows: number; viewers: number } {
    const { columns, rows } = this.#ownerOf(seat.session) ?? seat;
    return {
      columns,
      rows,
      viewers: this.#roomOf(seat.session).filter((other) => other.attachment.isConnected).length,
    };
  }

  async list(): Promise<SessionInfo[]> {
    const sessions = await this.#source.list();
    return sessions.map(({ name, createdMs, activityMs }) => ({
      ...{ name, createdMs, activityMs },
      ...this.#attentionOf(name),
      viewers: this.#roomOf(name).filter((seat) => seat.attachment.isConnected).length,
    }));
  }

  async rename(name: string, to: string): Promise<void> {
    await this.#source.rename(name, to);
    this.#renames += 1;
    for (const seat of this.#roomOf(name)) this.#move(seat, to);
  }

  /** Learns what was renamed, or chosen in a terminal, without the portal: else whoever comes back would be led astray. */
  async follow(): Promise<void> {
    if (this.#seats.size === 0) return;
    const renames = this.#renames;
    const attached = await this.#source.attached();
    if (renames !== this.#renames) return; // What was told is of before.
    for (const seat of this.#seats.values()) {
      const session = attached.get(seat.attachment.pid) ?? seat.session;
      if (session !== seat.session) this.#move(seat, session);
    }
  }

  #move(seat: Seat, to: string): void {
    const name = seat.session;
    if (this.#owners.get(name) === seat.id) {
      this.#owners.delete(name);
      if (this.#ownerOf(to) === undefined) this.#owners.set(to, seat.id);
    }
    seat.session = to;
    seat.onMove?.(name, to);
    this.tellRoom(name);
    this.tellRoom(to);
  }

  #attentionOf(name: string): Pick<SessionInfo, 'attention'> {
    const attention = this.#rim.attentionOf?.(name);
    return attention === undefined ? {} : { attention };
  }

  closeAll(): void {
    for (const seat of [...this.#seats.values()]) this.close(seat);
  }

  tellRoom(session: string): void {
    for (const seat of this.#roomOf(session)) seat.onRoomChange?.();
  }

  #roomOf(session: string): Seat[] {
    return [...this.#seats.values()].filter((seat) => seat.session === session);
  }

  /** One that is lost owns nothing until it is back. */
  #ownerOf(session: string): Seat | undefined {
    const seat = this.#seats.get(this.#owners.get(session) ?? '');
    return seat?.attachment.isConnected === true ? seat : undefined;
  }

  /** Brings what tmux knows in line with who owns the size. */
  #settleSize(seat: Seat): void {
    const ignoresSize = !this.isOwner(seat);
    if (seat.ignoresSize === ignoresSize) return;
    seat.ignoresSize = ignoresSize;
    this.#sizing = this.#sizing
      .then(() => this.#source.setIgnoresSize(seat.attachment.pid, seat.ignoresSize))
      .catch(() => undefined); // tmux went away: its viewers are told by their ends.
  }

  #dropOldestKept(): boolean {
    const kept = [...this.#seats.values()].find((seat) => !seat.attachment.isConnected);
    if (kept !== undefined) this.close(kept);
    return kept !== undefined;
  }
}
