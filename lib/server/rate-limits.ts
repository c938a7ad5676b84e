/**
 * How often one may ask, by key and by address. Counts are this instance's own, in memory; an address of IPv6 is its
 * /64, which is what one customer is given.
 */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { SmError } from '../core/errors.ts';
import type { ServerLimits } from './context.ts';

export class RateLimits {
  readonly #byKey: RateLimiterMemory | undefined;
  readonly #byAddress: RateLimiterMemory | undefined;
  readonly #setups: RateLimiterMemory | undefined;
  readonly #failures: RateLimiterMemory | undefined;

  constructor(limits: ServerLimits | 'none') {
    if (limits === 'none') return;
    this.#byKey = new RateLimiterMemory({ points: limits.keyRequestsPerMinute, duration: 60 });
    this.#byAddress = new RateLimiterMemory({ points: limits.addressRequestsPerMinute, duration: 60 });
    this.#setups = new RateLimiterMemory({ points: limits.setupsPerHour, duration: 3_600 });
    this.#failures = new RateLimiterMemory({ points: limits.failuresPerMinute, duration: 60 });
  }

  /** @throws SmError `rate_limited`, as do the others */
  countAddress(address: string): Promise<void> {
    return consume(this.#byAddress, networkOf(address));
  }

  countKey(prefix: string): Promise<void> {
    return consume(this.#byKey, prefix);
  }

  countSetup(address: string): Promise<void> {
    return consume(this.#setups, networkOf(address));
  }

  countFailure(address: string): Promise<void> {
    return consume(this.#failures, networkOf(address));
  }

  /** Refuses an address that has tried too many wrong keys, before the next is looked at. */
  async requireFewFailures(address: string): Promise<void> {
    const state = await this.#failures?.get(networkOf(address));
    if (state != null && state.consumedPoints > (this.#failures?.points ?? 0)) throw limited(state);
  }
}

async function consume(limiter: RateLimiterMemory | undefined, name: string): Promise<void> {
  try {
    await limiter?.consume(name);
  } catch (error) {
    throw error instanceof RateLimiterRes ? limited(error) : error;
  }
}

function limited(state: RateLimiterRes): SmError {
  const retryAfterS = Math.max(1, Math.ceil(state.msBeforeNext / 1000));
  return new SmError({
    code: 'rate_limited',
    message: `Too many requests; come again in ${retryAfterS} s.`,
    details: { retryAfterS },
  });
}

function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
  return plain.includes(':') ? expandedGroups(plain).slice(0, 4).join(':') : plain;
}

function expandedGroups(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const before = head === '' ? [] : head.split(':');
  if (tail === undefined) return before;
  const after = tail === '' ? [] : tail.split(':');
  return [...before, ...Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0'), ...after];
}
