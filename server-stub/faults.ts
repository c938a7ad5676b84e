/**
 * The faults that the stub can be asked for: their little language, and which of them a request meets. Pure but for the
 * counters of each fault. Refuses what it does not understand, naming the part.
 */
import { SmError } from '../lib/core/errors.ts';

export type FaultKind =
  | 'latency'
  | 'status'
  | 'cut'
  | 'lost'
  | 'clock'
  | 'stale'
  | 'html'
  | 'garbage'
  | 'huge'
  | 'redirect'
  | 'hang'
  | 'drip';

export interface Fault {
  kind: FaultKind;
  /** As it was written: milliseconds, a status, `head` or `body`, an address, bytes a second. */
  value: string;
  /** Only requests whose path begins so. */
  path: string;
  /** Only requests whose body holds this text. */
  match: string;
  /** How many requests it meets; without end where absent. */
  times: number;
  /** With what chance it meets one, 0 to 1. */
  chance: number;
  /** Seconds of `Retry-After`, of a status. */
  retry: number | undefined;
}

/** What each kind's value must look like; undefined for kinds that take none. */
const VALUES: Record<FaultKind, RegExp | undefined> = {
  latency: /^\d{1,6}(?:\.\.\d{1,6})?$/,
  status: /^[1-5]\d\d$/,
  cut: /^(?:head|body)$/,
  lost: undefined,
  clock: /^[+-]?\d{1,15}$/,
  stale: undefined,
  html: undefined,
  garbage: undefined,
  huge: undefined,
  redirect: /^https?:\/\/\S+$/,
  hang: undefined,
  drip: /^\d{1,7}$/,
};

const KEYS = ['path', 'match', 'times', 'chance', 'retry'];

/** Parses `<kind>[:<value>][,path=…][,match=…][,times=…][,chance=…][,retry=…]`; several are separated by `;`. @throws SmError */
export function parseFaults(text: string): Fault[] {
  return text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseFault);
}

function parseFault(text: string): Fault {
  const [head = '', ...settings] = text.split(',');
  const colon = head.indexOf(':');
  const kind = (colon === -1 ? head : head.slice(0, colon)).trim();
  const value = colon === -1 ? '' : head.slice(colon + 1).trim();
  if (!isKind(kind)) throw unknown(`${JSON.stringify(kind.slice(0, 40))} is no fault`);
  const shape = VALUES[kind];
  if (shape === undefined ? value !== '' : !shape.test(value)) {
    throw unknown(`${kind} does not take ${JSON.stringify(value.slice(0, 40))}`);
  }
  const given = new Map(
    settings.map((setting) => {
      const [key = '', ...rest] = setting.split('=');
      if (!KEYS.includes(key.trim())) throw unknown(`${JSON.stringify(key.slice(0, 40))} is no setting of a fault`);
      return [key.trim(), rest.join('=').trim()] as const;
    }),
  );
  return {
    kind,
    value,
    path: given.get('path') ?? '',
    match: given.get('match') ?? '',
    times: numberOf(given.get('times'), Number.POSITIVE_INFINITY, 'times'),
    chance: numberOf(given.get('chance'), 1, 'chance'),
    retry: given.has('retry') ? numberOf(given.get('retry'), 0, 'retry') : undefined,
  };
}

function isKind(text: string): text is FaultKind {
  return Object.hasOwn(VALUES, text);
}

function numberOf(text: string | undefined, fallback: number, key: string): number {
  if (text === undefined) return fallback;
  const number = Number(text);
  if (text !== '' && Number.isFinite(number) && number >= 0) return number;
  throw unknown(`${key} must be a number, not ${JSON.stringify(text.slice(0, 40))}`);
}

function unknown(fault: string): SmError {
  return new SmError({
    code: 'bad_request',
    message: `The fault is not understood: ${fault}.`,
    hint: `A fault is <kind>[:<value>][,${KEYS.map((key) => `${key}=…`).join('][,')}] with a kind of ${Object.keys(VALUES).join(', ')}; see docs/STUB.md.`,
  });
}

/** The faults that are set, in order. */
export class Faults {
  #faults: Fault[] = [];
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  get all(): readonly Fault[] {
    return this.#faults;
  }

  set(faults: Fault[]): void {
    this.#faults = faults.map((fault) => ({ ...fault }));
  }

  /** How far the clock is off, in milliseconds: the sum of all faults of it. */
  get clockOffsetMs(): number {
    return this.#faults.reduce((sum, { kind, value }) => sum + (kind === 'clock' ? Number(value) : 0), 0);
  }

  /** The faults that a request meets, with one turn less for each from now on. */
  take(path: string, body: string, own: Fault[]): Fault[] {
    return [...this.#faults, ...own].filter((fault) => {
      const isFit = path.startsWith(fault.path) && body.includes(fault.match) && fault.kind !== 'clock';
      if (!isFit || fault.times <= 0 || this.#random() >= fault.chance) return false;
      fault.times -= 1;
      return true;
    });
  }
}
