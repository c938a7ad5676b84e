/**
 * The client's side of one connection to the host. Owns the hello and the matching of answers to requests.
 * Invariant: every request ends, at the latest when the host has been silent for too long.
 */
import net from 'node:net';
import { errorFromJson, SmError } from '../core/errors.ts';
import { brainClosed } from './repetition.ts';
import { type ClientMessage, encodeFrame, FrameReader, type HostMessage, WIRE_VERSION } from './frames.ts';
import type { HostInfo } from './places.ts';

/** A working host answers or says that it is alive every two seconds. */
export const SILENCE_MS_MAX = 15_000;

/** The connection is gone. What was asked may or may not have happened; asking again is safe. */
export class ConnectionLost extends Error {}

export type Greeting = Extract<HostMessage, { type: 'welcome' | 'refused' }>;

/** A request without its id. */
export type Request =
  | Omit<Extract<ClientMessage, { type: 'run' }>, 'id'>
  | Omit<Extract<ClientMessage, { type: 'status' }>, 'id'>
  | Omit<Extract<ClientMessage, { type: 'stop' }>, 'id'>;

interface Pending {
  resolve: (answer: unknown) => void;
  reject: (error: Error) => void;
}

export class HostConnection {
  readonly #socket: net.Socket;
  readonly #silenceMsMax: number;
  readonly #pending = new Map<number, Pending>();
  readonly #reader = new FrameReader();
  #greeting: Pending | undefined;
  #farewell: Pending | undefined;
  #nextId = 1;
  #silence: NodeJS.Timeout | undefined;
  /** Why this connection is of no use any more. */
  #end: Error | undefined;

  private constructor(socket: net.Socket, silenceMsMax: number) {
    this.#socket = socket;
    this.#silenceMsMax = silenceMsMax;
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.#fail(new ConnectionLost(error.message)));
    socket.on('close', () => this.#fail(new ConnectionLost('the host closed the connection')));
  }

  /**
   * Connects and says hello.
   * @returns undefined where nobody listens at that address any more
   * @throws SmError `host_unresponsive`; ConnectionLost
   */
  static async open(
    info: HostInfo,
    version: string,
    silenceMsMax: number,
  ): Promise<{ connection: HostConnection; greeting: Greeting } | undefined> {
    const socket = net.connect(info.socket);
    const connection = new HostConnection(socket, silenceMsMax);
    try {
      const greeting = await new Promise<Greeting>((resolve, reject) => {
        connection.#greeting = { resolve: resolve as Pending['resolve'], reject };
        connection.#write({ type: 'hello', secret: info.secret, version, wire: WIRE_VERSION });
      });
      return { connection, greeting };
    } catch (error) {
      connection.close();
      if (error instanceof ConnectionLost && /ENOENT|ECONNREFUSED|ENOTSOCK/.test(error.message)) return undefined;
      throw error;
    }
  }

  /** Whether a request would reach the host, as far as is known here. */
  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /** Asks and waits for the answer. @throws SmError the host's own, or `host_unresponsive`; ConnectionLost */
  ask(request: Request): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#end);
        return;
      }
      const id = this.#nextId++;
      const frame = encodeFrame({ ...request, id });
      this.#pending.set(id, { resolve, reject });
      this.#socket.write(frame);
      this.#awaitSign();
    });
  }

  /** Asks an older host to make room, and waits until it has let go of the brain. @throws SmError `host_unresponsive` */
  async handOver(): Promise<void> {
    if (this.#end !== undefined) return;
    await new Promise<void>((resolve, reject) => {
      this.#farewell = {
        resolve: () => resolve(),
        reject: (error) => (error instanceof ConnectionLost ? resolve() : reject(error)),
      };
      this.#write({ type: 'handover' });
    });
  }

  /** Lets go. Requests that are under way fail: whether they took effect is not known. */
  close(): void {
    this.#fail(brainClosed());
  }

  #read(chunk: Buffer): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
    try {
      for (const message of this.#reader.push(chunk)) this.#receive(message as HostMessage);
    } catch (error) {
      this.#fail(notAHost(error));
    }
    this.#awaitSign();
  }

  #receive(message: HostMessage): void {
    switch (message.type) {
      case 'welcome':
      case 'refused':
        this.#greeting?.resolve(message);
        this.#greeting = undefined;
        return;
      case 'answer':
        this.#take(message.id)?.resolve(message.answer);
        return;
      case 'error':
        this.#take(message.id)?.reject(errorFromJson(message.error));
        return;
      case 'alive':
        return;
    }
  }

  #write(message: ClientMessage): void {
    this.#socket.write(encodeFrame(message));
    this.#awaitSign();
  }

  get #waiting(): Pending[] {
    return [...this.#pending.values(), this.#greeting, this.#farewell].filter((each) => each !== undefined);
  }

  /** Where an answer is owed, the clock of silence runs; only a sign of the host, not another request, sets it back. */
  #awaitSign(): void {
    if (this.#silence !== undefined || this.#end !== undefined || this.#waiting.length === 0) return;
    this.#silence = setTimeout(() => {
      this.#fail(
        new SmError({
          code: 'host_unresponsive',
          message: `The brain host has not answered for ${this.#silenceMsMax / 1000} s.`,
          hint: 'Look at it with "sm host status" and "sm host logs"; "sm host stop --force" ends it. Nothing that was acknowledged is lost by that.',
        }),
      );
    }, this.#silenceMsMax);
  }

  #fail(error: Error): void {
    clearTimeout(this.#silence);
    this.#end ??= error;
    const waiting = this.#waiting;
    this.#pending.clear();
    this.#greeting = undefined;
    this.#farewell = undefined;
    this.#socket.destroy();
    for (const pending of waiting) pending.reject(error);
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}

function notAHost(cause: unknown): SmError {
  return new SmError({
    code: 'host_failed',
    message: 'What answers at the address of the brain host does not speak its language.',
    hint: 'End it and run the command again; "sm doctor" tells more.',
    cause,
  });
}
