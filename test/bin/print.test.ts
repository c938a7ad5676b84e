/** What people see: nothing dangerous, nothing wider than the terminal, nothing cut where it is piped. */
import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../lib/core/entry.ts';
import { escapeJson, escapeLine, escapeText } from '../../bin/print/escape.ts';
import { relativeTime, showBytes, showDuration } from '../../bin/print/time.ts';
import { entryOf, FakeBrain, idOf, NOW_MS, sm } from './fakes.ts';

const ESC = '\u001b';
const EVIL = `a${ESC}[2Jb${ESC}]0;title\u0007c\u009b31md\re\u202ef`;
/** What a terminal acts on, our own colours aside. */
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

function withoutColors(text: string): string {
  return text.replaceAll(/\u001b\[\d+m/g, '');
}

function brainOf(...entries: Partial<Entry>[]): FakeBrain {
  const brain = new FakeBrain();
  entries.forEach((fields, index) => brain.put(entryOf({ entryId: idOf(index + 1), ...fields })));
  return brain;
}

const VIEWS = [['list'], ['recall'], ['log'], ['show', idOf(1)], ['history', idOf(1)]];

describe('safety', () => {
  it.each(VIEWS)('[X13] %s never passes control characters of stored text on', async (...command) => {
    const brain = brainOf({ title: EVIL, summary: EVIL, conclusion: EVIL, agent: EVIL, tags: [EVIL], refs: [EVIL] });
    for (const columns of [0, 80]) {
      for (const flags of [[], ['--json']]) {
        const { code, out } = await sm(['brain', ...command, ...flags], { brain, columns, env: { NO_COLOR: '1' } });
        expect(code).toBe(0);
        expect(out).not.toMatch(UNSAFE);
      }
    }
  });

  it('[X13] escaped text holds no control character, and escaped JSON has the same value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeLine(text)).not.toMatch(/[\u0000-\u001f]|[\u007f-\u009f]/);
        expect(escapeText(text)).not.toMatch(UNSAFE);
        const json = escapeJson(JSON.stringify({ text }));
        expect(JSON.parse(json)).toEqual({ text });
        expect(json).not.toMatch(UNSAFE);
      }),
    );
  });

  it('[X13] an error that quotes input escapes it', async () => {
    const { err } = await sm(['brain', `x${ESC}[31m`]);
    expect(err).not.toMatch(UNSAFE);
  });
});

describe('width', () => {
  const brain = brainOf(
    { title: 'x'.repeat(300), summary: 'word '.repeat(200), conclusion: 'y'.repeat(500) },
    { title: '世界の記憶'.repeat(30), summary: '漢字かな交じり文。'.repeat(60), agent: 'エージェント' },
    {
      title: '👩‍👩‍👧‍👦 family 🇩🇪 '.repeat(20),
      summary: '🚀'.repeat(200),
      tags: ['🏷️'.repeat(30)],
      status: 'superseded',
      supersededBy: idOf(1),
    },
    { title: 'é̂ö'.repeat(60), refs: ['r'.repeat(200)], agent: 'a'.repeat(100) },
  );

  it.each([40, 80, 200].flatMap((columns) => VIEWS.map((command) => ({ columns, command }))))(
    '[X14] %j fits the terminal',
    async ({ columns, command }) => {
      const { out } = await sm(['brain', ...command], { brain, columns });
      const wide = withoutColors(out)
        .split('\n')
        .filter((line) => stringWidth(line) > columns);
      expect(out).not.toBe('');
      expect(wide).toEqual([]);
    },
  );

  it('[X14] whatever the text, no line is wider than the terminal', async () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 120 });
    await fc.assert(
      fc.asyncProperty(text, text, fc.integer({ min: 20, max: 120 }), async (title, summary, columns) => {
        const { out } = await sm(['brain', 'recall'], { brain: brainOf({ title, summary }), columns });
        for (const line of withoutColors(out).split('\n'))
          expect(stringWidth(line)).toBeLessThanOrEqual(Math.max(columns, 38));
      }),
    );
  });

  it.each([60, 80])('[X14] what was done stands on one line of %i columns, and has its id', async (columns) => {
    const title = '世界の記憶 wide '.repeat(20);
    for (const command of [
      ['record', '--title', title],
      ['retract', idOf(2)],
      ['useful', idOf(2)],
      ['supersede', idOf(2), idOf(1)],
    ]) {
      const { out } = await sm(['brain', ...command], { brain: brainOf({}, { title }), columns });
      const lines = out.trimEnd().split('\n');
      for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
      expect(lines[0]).toMatch(/ [0-9a-f-]{36}(?: |$)/);
    }
  });

  it.each([48, 60, 80, 200])('[X14] pages of help fit %i columns, but for their examples', async (columns) => {
    const { json } = await sm(['help', '--json']);
    const { commands } = json() as { commands: { command: string }[] };
    for (const words of [[], ['brain'], ...commands.map(({ command }) => command.split(' ').slice(1))]) {
      const [page = ''] = (await sm(['help', ...words], { columns })).out.split(/\n(?:Examples|Start with)\n/);
      expect(page.split('\n').filter((line) => line.length > columns)).toEqual([]);
    }
  });

  it('[X14] piped output is never cut', async () => {
    const { out } = await sm(['brain', 'recall'], { brain });
    expect(out).toContain('x'.repeat(300));
    expect(out).toContain('y'.repeat(500));
    const list = await sm(['brain', 'list'], { brain });
    expect(list.out.split('\n')[0]?.split('\t')).toEqual([
      idOf(1),
      'insight',
      'active',
      'claude',
      '2026-01-31T09:00:00.000Z',
      'x'.repeat(300),
    ]);
  });

  it('[X14] ids on a terminal are long enough to tell the shown entries apart', async () => {
    const near = ['01980c2e-0001-7abc-8def-000000000001', '01980c2e-0001-7abc-8def-000000000002'];
    const twins = brainOf(...near.map((entryId) => ({ entryId, title: 't' })));
    const { out } = await sm(['brain', 'list'], { brain: twins, columns: 200 });
    for (const id of near) expect(withoutColors(out)).toContain(id);
  });
});

describe('colours and times', () => {
  const isColored = async (columns: number, env: Record<string, string>, ...flags: string[]) =>
    (await sm(['brain', 'recall', ...flags], { brain: brainOf({}), columns, env })).out.includes(ESC);

  it('[X14] colours are for terminals, and can be asked for or declined', async () => {
    expect(await isColored(80, {})).toBe(true);
    expect(await isColored(0, {})).toBe(false);
    expect(await isColored(80, { NO_COLOR: '1' })).toBe(false);
    expect(await isColored(80, { TERM: 'dumb' })).toBe(false);
    expect(await isColored(0, { FORCE_COLOR: '1' })).toBe(true);
    expect(await isColored(80, { FORCE_COLOR: '0' })).toBe(false);
    expect(await isColored(80, { FORCE_COLOR: '1' }, '--no-color')).toBe(false);
  });

  it('[X15] times are ages on a terminal and ISO 8601 where piped', async () => {
    const terminal = await sm(['brain', 'list'], { brain: brainOf({}), columns: 120 });
    expect(terminal.out).toContain('3 h ago');
    const piped = await sm(['brain', 'list'], { brain: brainOf({}) });
    expect(piped.out).toContain('2026-01-31T09:00:00.000Z');
  });

  it.each([
    [0, 'just now'],
    [59_000, 'just now'],
    [60_000, '1 min ago'],
    [3 * 3_600_000, '3 h ago'],
    [2 * 86_400_000, '2 d ago'],
    [40 * 86_400_000, '2025-12-22'],
    [-7_200_000, 'in 2 h'],
  ])('[X15] %d ms ago reads %s', (agoMs, expected) => {
    expect(relativeTime(NOW_MS - agoMs, NOW_MS)).toBe(expected);
  });

  it('[X15] lengths and sizes are told in the unit that fits', () => {
    expect([850, 12_000, 180_000, 7_200_000, 90 * 86_400_000].map(showDuration)).toEqual([
      '850 ms',
      '12 s',
      '3 min',
      '2 h',
      '90 d',
    ]);
    expect([10, 2048, 5 * 1024 * 1024, 3 * 1024 ** 3].map(showBytes)).toEqual([
      '10 B',
      '2.0 KiB',
      '5.0 MiB',
      '3.0 GiB',
    ]);
  });
});

describe('help', () => {
  it('[X22] every command has a page with at least two examples', async () => {
    const { json } = await sm(['help', '--json']);
    const { commands } = json() as { commands: { command: string; examples: string[] }[] };
    expect(commands.length).toBeGreaterThanOrEqual(19);
    for (const { command, examples } of commands) {
      expect(examples.length).toBeGreaterThanOrEqual(2);
      const words = command.split(' ').slice(1);
      const page = await sm([...words, '--help']);
      expect(page.code).toBe(0);
      expect(page.out).toContain('Usage');
      expect(page.out).toContain('Examples');
      expect(page.openings).toEqual([]);
      expect((await sm(['help', ...words])).out).toBe(page.out);
    }
  });

  it('[X22] sm alone, a group alone and --help give an overview', async () => {
    for (const argv of [[], ['--help'], ['-h'], ['help']]) {
      const { code, out } = await sm(argv);
      expect(code).toBe(0);
      expect(out).toContain('brain record');
    }
    for (const argv of [['brain'], ['brain', '--help'], ['brain', 'help'], ['help', 'brain']]) {
      expect((await sm(argv)).out).toContain('sm brain <command>');
    }
  });

  it('[X22] the version is printed alone', async () => {
    for (const argv of [['--version'], ['-v'], ['version'], ['brain', '--version']])
      expect((await sm(argv)).out).toBe('1.2.3\n');
    expect((await sm(['--version', '--json'])).json()).toEqual({ version: '1.2.3' });
  });
});
