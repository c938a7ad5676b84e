/**
 * One WebSocket: from hello to close. Checks what comes in, hands output out, and never holds more than the attachment's
 * window and the input's credit. Knows the protocol, and of the transport only what `Wire` says.
 */
import { type SmError, toSmError } from '../lib/core/errors.ts';
import type { Principal } from './access.ts';
import type { Hub, Seat } from './hub.ts';
import { parseMessage } from './messages.ts';
import {
  CLOSE,
  type ClientMessage,
  type Hello,
  INPUT_BYTES_MAX,
  INPUT_FRAME_BYTES_MAX,
  INPUT_REPORT_BYTES,
  PROTOCOL_VERSION,
  type ServerMessage,
} from './protocol.ts';
import type { TerminalEnd, Viewer } from './session.ts';
import { isTyped } from './typing.ts';
import { WINDOW_MAX_BYTES } from './window.ts';

export interface Wire {
  /** Bytes that were sent and that the network has not taken yet. */
  readonly waitingBytes: number;
  sendText(text: string): void;
  sendBytes(bytes: Buffer): void;
  close(code: number, reason: string): void;
}

export interface ConnectionOptions {
  hub: Hub;
  principal: Principal;
  wire: Wire;
  /** Shown to who names none. */
  session: string;
  /** Who this is by the tailnet's account, as soon as that is known. */
  viewerName: Promise<string | undefined>;
  onSeated(session: string, mode: 'exact' | 'fresh'): void;
  /** A bug, or what could not be foreseen; told to the viewer in general words. */
  onFailure(error: SmError): void;
}

/** How long a connection may take to say hello, in milliseconds. */
const HELLO_PATIENCE_MS = 10_000;
/** Questions that are being answered; a page asks one at a time. */
const REQUESTS_MAX = 8;
/**
 * What may wait for a viewer that does not read: all of a window, and as much again as words about it. Output is bounded by
 * what is acknowledged; answers, of which a viewer may ask for any number, are by nothing else.
 */
const WAITING_BYTES_MAX = WINDOW_MAX_BYTES + 1024 * 1024;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #viewer: Viewer;
  readonly #helloTimer: NodeJS.Timeout;
  #state: 'new' | 'opening' | 'seated' | 'closed' = 'new';
  #seat: Seat | undefined;
  #requests = 0;
  /** Input that came, and how much of it was reported as taken. */
  #inputBytes = 0;
  #reportedBytes = 0;
  /** Output that waits for `attached` to be said first. */
  #early: Buffer[] | undefined = [];

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#helloTimer = setTimeout(() => this.close(CLOSE.protocolError, 'no hello'), HELLO_PATIENCE_MS);
    this.#viewer = {
      send: (bytes) => (this.#early === undefined ? this.#sendBytes(bytes) : void this.#early.push(bytes)),
      ended: (end) => void this.#tellEnd(end),
      replaced: () => this.close(CLOSE.taken, 'resumed elsewhere'),
    };
  }

  get principal(): Principal {
    return this.#options.principal;
  }

  /** Something that this viewer did not ask for, if it is about what it may see. */
  tell(message: ServerMessage & { session: string }): void {
    if (this.#seat === undefined) return;
    const { session } = this.principal;
    if (session === undefined || session === message.session) this.#send(message);
  }

  get session(): string | undefined {
    return this.#seat?.session;
  }

  text(text: string): void {
    if (this.#state === 'closed') return;
    const message = parseMessage(text);
    if (message === undefined) return this.close(CLOSE.protocolError, 'not a message of this protocol');
    if (message.t === 'hello') {
      if (this.#state !== 'new') return this.close(CLOSE.protocolError, 'hello was already sent');
      this.#state = 'opening';
      clearTimeout(this.#helloTimer);
      void this.#open(message).catch((error: unknown) => this.#fail(error));
    } else if (this.#seat === undefined) {
      // A page may ping or ask for the list while tmux is being asked; anything else is out of order.
      if (this.#state === 'opening' && (message.t === 'ping' || message.t === 'list' || message.t === 'resize')) return;
      this.close(CLOSE.protocolError, 'hello comes first');
    } else this.#seated(message, this.#seat);
  }

  bytes(bytes: Buffer): void {
    if (this.#state === 'closed') return;
    const seat = this.#seat;
    if (seat === undefined) return this.close(CLOSE.protocolError, 'hello comes first');
    if (bytes.length > INPUT_FRAME_BYTES_MAX) return this.close(CLOSE.protocolError, 'a frame too large');
    if (seat.isReadOnly) return; // Its page sends none; what comes all the same goes nowhere.
    if (seat.attachment.inputBytes + bytes.length > INPUT_BYTES_MAX) {
      return this.close(CLOSE.refused, 'more input than was asked for');
    }
    this.#inputBytes += bytes.length;
    if (isTyped(bytes)) this.#options.hub.typed(seat);
    seat.attachment.write(bytes);
    this.#reportInput();
  }

  /** The socket is gone; `isFarewell` where the page said so, and does not come back for what it missed. */
  gone(isFarewell = false): void {
    clearTimeout(this.#helloTimer);
    this.#state = 'closed';
    const seat = this.#seat;
    this.#seat = undefined;
    if (seat === undefined) return;
    this.#options.hub.leave(seat, this.#viewer);
    if (isFarewell && !seat.attachment.isConnected && this.#options.hub.source.isTmux) this.#options.hub.close(seat);
  }

  close(code: number, reason: string): void {
    if (this.#state === 'closed') return;
    this.gone();
    this.#options.wire.close(code, reason);
  }

  async #open(hello: Hello): Promise<void> {
    const { hub, principal } = this.#options;
    if (hello.version !== PROTOCOL_VERSION) {
      this.#send({
        t: 'problem',
        code: 'unsupported_protocol',
        message: 'This page is of another version.',
        hint: 'Reload it.',
      });
      return this.close(CLOSE.refused, 'another version');
    }
    const session = hello.session ?? principal.session ?? this.#options.session;
    if (principal.session !== undefined && principal.session !== session) {
      this.#send({ t: 'problem', code: 'forbidden', message: 'This link is for another session.' });
      return this.close(CLOSE.refused, 'another session');
    }
    const { seat, mode, seq, missedLines } = await hub.open({ ...hello, session }, principal, this.#viewer);
    if (this.#hasClosed()) return hub.leave(seat, this.#viewer);
    const viewer = await this.#options.viewerName;
    if (this.#hasClosed()) return hub.leave(seat, this.#viewer);
    this.#seat = seat;
    this.#state = 'seated';
    seat.onRoomChange = () => this.#tellSize(seat);
    seat.onMove = (name, to) => this.#send({ t: 'renamed', name, to });
    seat.attachment.onDrain(() => this.#reportInput());
    this.#send({
      t: 'attached',
      version: PROTOCOL_VERSION,
      id: seat.id,
      key: seat.key,
      seq,
      mode,
      session: seat.session,
      isReadOnly: seat.isReadOnly,
      isTmux: hub.source.isTmux,
      ...(viewer === undefined ? {} : { viewer }),
    });
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const bytes of early) this.#sendBytes(bytes);
    this.#options.onSeated(seat.session, mode);
    hub.tellRoom(seat.session);
    // What fits on the screen is on the screen.
    if (missedLines > hello.rows && !seat.isReadOnly) this.#send({ t: 'missed', lines: missedLines });
    if (seat.attachment.hasEnded) await this.#tellEnd({ exitCode: 0, signal: 0 });
  }

  #seated(message: Exclude<ClientMessage, Hello>, seat: Seat): void {
    const { hub } = this.#options;
    switch (message.t) {
      case 'ack':
        hub.heard(seat);
        try {
          seat.attachment.acknowledge(message.seq);
        } catch {
          this.close(CLOSE.protocolError, 'acknowledged what was not sent');
        }
        return;
      case 'resize':
        return hub.resize(seat, message.columns, message.rows);
      case 'take':
        return hub.takeSize(seat);
      case 'ping':
        hub.heard(seat);
        return this.#send({ t: 'pong', id: message.id });
      case 'list':
        return this.#answer(() => this.#tellSessions());
      case 'rename':
        return this.#change(async () => {
          await hub.rename(message.name, message.to);
          // Whoever shows it has been told.
          if (seat.session !== message.to) this.#send({ t: 'renamed', name: message.name, to: message.to });
        });
      case 'end':
        return this.#change(async () => hub.source.end(message.name));
      case 'find':
        return this.#turn(async () => {
          const isFound = await hub.source.find(seat.session, message.text, message.direction);
          if (message.text !== '') this.#send({ t: 'found', isFound });
        });
      case 'back':
        return this.#turn(() => hub.source.back(seat.session, message.lines));
    }
  }

  /** Something that only who may type may do: all who look at the session see it. */
  #turn(run: () => Promise<void>): void {
    if (!this.principal.isReadOnly) return this.#answer(run);
    this.#send({ t: 'problem', code: 'forbidden', message: 'This viewer may only look.' });
  }

  /** The same; the list of sessions as it is afterwards is the answer. */
  #change(run: () => Promise<void>): void {
    this.#turn(async () => {
      await run();
      await this.#tellSessions();
    });
  }

  #answer(run: () => Promise<void>): void {
    if (this.#requests >= REQUESTS_MAX) return this.close(CLOSE.refused, 'too many questions at once');
    this.#requests += 1;
    run()
      .catch((error: unknown) => {
        const { code, message, hint } = toSmError(error);
        if (code === 'internal') this.#options.onFailure(toSmError(error));
        this.#send({ t: 'problem', code, message, ...(hint === undefined ? {} : { hint }) });
      })
      .finally(() => (this.#requests -= 1));
  }

  async #tellSessions(): Promise<void> {
    const only = this.principal.session;
    const sessions = (await this.#options.hub.list()).filter(({ name }) => only === undefined || name === only);
    this.#send({ t: 'sessions', sessions, canChange: !this.principal.isReadOnly && this.#options.hub.source.isTmux });
  }

  #tellSize(seat: Seat): void {
    this.#send({ t: 'size', isOwner: this.#options.hub.isOwner(seat), ...this.#options.hub.sizeFor(seat) });
  }

  /** Whether the session itself ended, or only this way to it. */
  async #tellEnd({ exitCode }: TerminalEnd): Promise<void> {
    const seat = this.#seat;
    if (seat === undefined) return; // `attached` comes first, and looks again.
    const isThere = await this.#options.hub.source.has(seat.session).catch(() => false);
    this.#send({ t: 'ended', reason: isThere ? 'detached' : 'ended', exitCode });
    this.#options.hub.close(seat);
    this.close(CLOSE.done, 'ended');
  }

  #reportInput(): void {
    const seat = this.#seat;
    if (seat === undefined) return;
    const taken = this.#inputBytes - seat.attachment.inputBytes;
    if (taken - this.#reportedBytes < INPUT_REPORT_BYTES) return;
    this.#send({ t: 'took', bytes: taken - this.#reportedBytes });
    this.#reportedBytes = taken;
  }

  #fail(thrown: unknown): void {
    const error = toSmError(thrown);
    if (error.code === 'internal') this.#options.onFailure(error);
    const { code, message, hint } = error;
    this.#send({ t: 'problem', code, message, ...(hint === undefined ? {} : { hint }) });
    this.close(CLOSE.refused, code);
  }

  #hasClosed(): boolean {
    return this.#state === 'closed';
  }

  #send(message: ServerMessage): void {
    if (this.#hasRoom()) this.#options.wire.sendText(JSON.stringify(message));
  }

  #sendBytes(bytes: Buffer): void {
    if (this.#hasRoom()) this.#options.wire.sendBytes(bytes);
  }

  /** Who has none any more reads nothing, and is let go of. */
  #hasRoom(): boolean {
    if (this.#state === 'closed') return false;
    if (this.#options.wire.waitingBytes <= WAITING_BYTES_MAX) return true;
    this.close(CLOSE.unread, 'what was sent is not read');
    return false;
  }
}
