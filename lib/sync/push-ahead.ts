/**
 * Pushes that are sent while the one before is at the server, so that neither waits for the other. Each is a guess: it
 * stands on the place to which the one before leads, and a server that has not come there refuses it whole. What became of
 * it is looked at in its turn alone, and only where it is that very push; else it is sent again, which changes nothing of
 * what is there.
 */
import type { Pushed } from './server-calls.ts';
import type { PushEffect } from './session-types.ts';

/** @param onWay called once the request has left, or will never */
export type SendPush = (effect: PushEffect, onWay: () => void) => Promise<Pushed>;

interface Begun {
  effect: PushEffect;
  pushed: Promise<Pushed>;
}

export class PushAhead {
  readonly #send: SendPush;
  readonly #underWay = new Set<Promise<unknown>>();
  /** Until what was sent last has left: what is sent after it must not overtake it. */
  #leaving: Promise<void> = Promise.resolve();
  /** In the order in which they will be asked for. */
  #begun: Begun[] = [];
  #wasWrong = false;

  constructor(send: SendPush) {
    this.#send = send;
  }

  /**
   * Sends what will probably be pushed after what was begun, if no more than `begunMax` are begun then.
   * @returns whether it is on its way: nothing is any more once a guess was wrong
   */
  async begin(effect: PushEffect, begunMax: number): Promise<boolean> {
    if (this.#begun.some((begun) => isSame(begun.effect, effect))) return true;
    const before = this.#leaving;
    await before;
    if (this.#wasWrong || this.#begun.length >= begunMax || this.#leaving !== before) return false;
    this.#begun.push({ effect, pushed: this.#start(effect) });
    return true;
  }

  /** The answer to this push: to the one that was begun, where it is the same and was answered well. */
  async take(effect: PushEffect): Promise<Pushed> {
    const begun = this.#begun.shift();
    if (begun === undefined) return this.#start(effect);
    if (isSame(begun.effect, effect)) {
      try {
        return await begun.pushed;
      } catch {
        // How it fails in its turn is what counts.
      }
    }
    this.#wasWrong = true;
    this.#begun = [];
    return this.#start(effect);
  }

  /** Begins nothing any more, and waits until nothing is under way. */
  async end(): Promise<void> {
    this.#wasWrong = true;
    await Promise.allSettled(this.#underWay);
  }

  #start(effect: PushEffect): Promise<Pushed> {
    let leave = (): void => undefined;
    this.#leaving = new Promise((resolve) => (leave = resolve));
    const pushed = this.#send(effect, leave).finally(leave);
    this.#underWay.add(pushed);
    const end = (): void => void this.#underWay.delete(pushed);
    pushed.then(end, end);
    return pushed;
  }
}

function isSame(a: PushEffect, b: PushEffect): boolean {
  return a.changes === b.changes && a.replica?.seq === b.replica?.seq && a.replica?.chain === b.replica?.chain;
}
