/**
 * Records as people and agents write them: decisions and findings with long reasons, names out of code, several
 * languages. The same seed gives the same records.
 */
import type { EntryDraft } from '../../lib/core/entry.ts';
import { ENTRY_KINDS, KNOWN_AGENTS } from '../../lib/core/vocabulary.ts';

const SUBJECTS = [
  'connection pool',
  'retry loop',
  'sync cursor',
  'WAL checkpoint',
  'full-text index',
  'session token',
  'migration runner',
  'socket path',
  'file watcher',
  'cache key',
  '全文検索',
  'журнал изменений',
];
const FINDINGS = [
  'leaks under load',
  'is twice as fast with a prepared statement',
  'must not be restamped on retry',
  'loses updates when two writers race',
  'needs an explicit collation',
  'was never closed',
  'fails on paths longer than 104 bytes',
  'は半分の時間で終わる',
  'теряет записи при сбое',
  'ships 🚀 without a flag',
];
const IDENTIFIERS = [
  'getUserName',
  'max_wal_size',
  'lib/store/append.ts',
  'BrainSession.run()',
  'HTTPServer.listen',
  'pg_wal_lsn_diff',
  'ERR_SOCKET_CLOSED',
  'node:worker_threads',
  '@electric-sql/pglite@0.5.16',
  'a1b2c3d',
  "it's",
  '100%',
];
const WORDS = (
  'the a we it that because when before after under only every never one two first last same other commit write read ' +
  'query index table row lock thread process socket file disk memory cache test build deploy config error timeout retry ' +
  'measured found chose kept removed replaced tried moved split merged shows means breaks works costs saves naïve café'
).split(' ');
const TAGS = ['store', 'sync', 'perf', 'flaky', 'ci', 'security', '検索', 'how-to', 'C++', 'v1.2'];

/** `count` records, each different. */
export function sampleRecords(count: number, seed = 1): EntryDraft[] {
  const dice = new Dice(seed);
  return Array.from({ length: count }, (_, number) => {
    const subject = dice.pick(SUBJECTS);
    return {
      title: `The ${subject} ${dice.pick(FINDINGS)} (${number})`,
      kind: dice.pick(ENTRY_KINDS),
      agent: dice.pick(KNOWN_AGENTS),
      summary: Array.from({ length: 1 + dice.below(6) }, () => paragraph(dice, subject)).join('\n\n'),
      conclusion: dice.below(4) === 0 ? '' : sentence(dice, subject),
      tags: [...new Set(Array.from({ length: dice.below(4) }, () => dice.pick(TAGS)))],
      refs: Array.from({ length: dice.below(3) }, () => `https://example.org/${dice.below(1_000)}#L${dice.below(90)}`),
      confidence: dice.below(101) / 100,
      createdAt: 1_700_000_000_000 + number * 60_000,
    };
  });
}

function paragraph(dice: Dice, subject: string): string {
  return Array.from({ length: 2 + dice.below(6) }, () => sentence(dice, subject)).join(' ');
}

function sentence(dice: Dice, subject: string): string {
  const words = Array.from({ length: 5 + dice.below(12) }, () =>
    dice.below(6) === 0 ? dice.pick([...IDENTIFIERS, subject]) : dice.pick(WORDS),
  );
  return `${words.join(' ')}.`;
}

/** Mulberry32 (public domain): small, and good enough to throw dice. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  pick<T>(choices: readonly T[]): T {
    const chosen = choices[this.below(choices.length)];
    if (chosen === undefined) throw new Error('there is nothing to choose from');
    return chosen;
  }
}
