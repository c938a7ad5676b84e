/** What is typed is what arrives, and what is not understood is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EntryDraft } from '../../lib/core/entry.ts';
import { isFlagShaped } from '../../bin/arguments.ts';
import { sm } from './fakes.ts';

const TRICKY = [
  '007',
  '1e3',
  '0123e4',
  'true',
  'false',
  'null',
  '-5 degrees',
  '-',
  '- item',
  '@0',
  '@1',
  '=',
  'a=b',
  '0x10',
  ' ',
  '--',
];

async function draftOf(argv: string[]): Promise<EntryDraft> {
  const { brain, code, err } = await sm(['brain', 'record', ...argv]);
  expect(err).toBe('');
  expect(code).toBe(0);
  return brain.lastRequest('record').drafts[0] as EntryDraft;
}

describe('values', () => {
  it.each(TRICKY.filter((text) => text.trim() !== ''))('[X1] --title=%s arrives as it is', async (text) => {
    expect((await draftOf([`--title=${text}`])).title).toBe(text);
  });

  it.each(TRICKY.filter((text) => text.trim() !== '' && text !== '--'))(
    '[X1] --title %s arrives as it is',
    async (text) => {
      expect((await draftOf(['--title', text])).title).toBe(text);
    },
  );

  it('[X1] any text survives as a value, with and without the equals sign', async () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom(...TRICKY));
    await fc.assert(
      fc.asyncProperty(text, text, fc.array(text, { maxLength: 4 }), async (summary, ref, tags) => {
        fc.pre(summary !== '-' && !isFlagShaped(ref) && ref !== '--');
        const argv = ['--title', 't', `--summary=${summary}`, '--ref', ref, ...tags.map((tag) => `--tag=${tag}`)];
        const { brain } = await sm(['brain', 'record', ...argv]);
        const draft = brain.lastRequest('record').drafts[0] as EntryDraft;
        expect(draft.summary).toBe(summary);
        expect(draft.refs).toEqual([ref]);
        expect(draft.tags ?? []).toEqual(tags);
      }),
    );
  });

  it('[X1] any words survive as a query, after -- even those that look like flags', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ maxLength: 12 }), { maxLength: 5 }), async (words) => {
        const { brain } = await sm(['brain', 'recall', '--json', '--', ...words]);
        expect(brain.lastRequest('recall').query ?? '').toBe(words.join(' ').trim());
      }),
    );
  });

  it('[X1] an argument that is no UTF-8 is refused, and one that holds U+FFFD itself is not', async () => {
    const argv = ['brain', 'record', '--title', 'caf\uFFFD'];
    const typed = (title: number[]) =>
      Buffer.concat([Buffer.from(`node\0--switch\0sm.cjs\0brain\0record\0--title\0caf`), Buffer.from([...title, 0])]);
    const { code, err, brain } = await sm(argv, { commandLine: typed([0xe9]) });
    expect({ code, calls: brain.calls }).toEqual({ code: 2, calls: [] });
    expect(err).toContain('is not valid UTF-8');
    expect(err).toContain('stdin');
    const failed = await sm([...argv.slice(0, 3), '--json', 'caf\uFFFD'], { commandLine: typed([0xed, 0xa0, 0x80]) });
    expect(JSON.parse(failed.err)).toMatchObject({ error: 'bad_request' });
    // U+FFFD in UTF-8; what is no UTF-8 elsewhere on the line; and a system that does not tell.
    for (const commandLine of [
      typed([0xef, 0xbf, 0xbd]),
      Buffer.from([0xe9, 0, ...typed([0xef, 0xbf, 0xbd])]),
      undefined,
    ]) {
      const recorded = await sm(argv, commandLine === undefined ? {} : { commandLine });
      expect(recorded.code).toBe(0);
      expect(recorded.brain.lastRequest('record')).toMatchObject({ drafts: [{ title: 'caf\uFFFD' }] });
    }
  });

  it('[X1] an empty value is a value: it clears a field', async () => {
    const { brain } = await sm(['brain', 'edit', '01980c2e', '--summary', '', '--tags', '']);
    expect(brain.lastRequest('edit').edit).toEqual({ summary: '', tags: [] });
  });

  it('[X1] an id of digits stays text', async () => {
    const { brain } = await sm(['brain', 'show', '0123e4']);
    expect(brain.lastRequest('show').idOrPrefix).toBe('0123e4');
  });

  it('[X1] lists are split at commas, single labels are not', async () => {
    const draft = await draftOf(['--title', 't', '--tags', 'a, b,,c', '--tag', 'd,e', '--tag', 'f', '--refs', '1,02']);
    expect(draft.tags).toEqual(['a', 'b', 'c', 'd,e', 'f']);
    expect(draft.refs).toEqual(['1', '02']);
  });

  it('[X1] a title that reads like a number, a boolean or a switch is not one', async () => {
    for (const title of ['007', '--no-json', '--json', 'false']) {
      expect((await draftOf([`--title=${title}`])).title).toBe(title);
    }
  });
});

describe('refusals', () => {
  it('[X2] an unknown command is refused with the nearest one', async () => {
    const { code, err, out } = await sm(['brain', 'recrod', '--title', 'x']);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain('sm brain has no command "recrod"');
    expect(err).toContain('Did you mean record?');
    expect(err).toContain('sm brain help');
  });

  it('[X2] a command without its group is pointed to the group', async () => {
    const { code, err } = await sm(['recall', 'x']);
    expect(code).toBe(2);
    expect(err).toContain('Did you mean sm brain recall?');
  });

  it.each([
    [['brian'], 'Did you mean brain?'],
    [['--jsno'], 'Did you mean'],
    [['brain', 'record', '--titel', 'x'], 'Did you mean --title?'],
    [['brain', 'record', '--title', 'x', '--konclusion=1'], 'Did you mean --conclusion?'],
    [['brain', 'list', '--knd', 'note'], 'Did you mean --kind?'],
    [['brain', 'list', '--kind', 'descision'], 'Did you mean decision?'],
    [['statsu'], 'Did you mean sm brain status?'],
    [['search', 'x'], 'Did you mean sm brain recall?'],
    [['brain', 'add'], 'Did you mean record?'],
    [['brain', 'rm', 'x'], 'Did you mean retract?'],
    [['init'], 'Did you mean setup?'],
    [['--verison'], 'Did you mean --version?'],
    [['server', 'key', 'lst'], 'Did you mean list?'],
    [['setup', 'cluade'], 'Did you mean claude?'],
  ])('[X2] %j is refused with a suggestion', async (argv, expected) => {
    const { code, err, openings } = await sm(argv);
    expect(code).toBe(2);
    if (expected !== 'Did you mean') expect(err).toContain(expected);
    expect(openings).toEqual([]);
  });

  it.each([
    [['brain', 'record', '--title'], '--title needs a value'],
    [['brain', 'record', '--title', '--dashes'], '--title="--dashes"'],
    [['brain', 'record', '--title', '--', 'x'], '--title needs a value'],
    [['brain', 'record', '--title', 'a', '--title', 'b'], 'more than once'],
    [['brain', 'record', '--title=a', '--json=yes'], 'takes no value'],
    [['brain', 'record', '--title=a', 'stray'], 'does not take "stray"'],
    [['brain', 'record', 'two words'], 'sm brain record --title "two words"'],
    [['brain', 'record', 'two', 'words'], 'sm brain record --title "two words"'],
    [['brain', 'edit', 'a', 'words'], 'sm brain edit <id> --title "words"'],
    [['brain', 'list', 'two', 'words'], 'in quotes'],
    [['brain', 'list', 'two words'], 'no place for more words'],
    [['brain', 'resolve', 'a', '--take', 'zzz'], '"zzz" is the hash of no version'],
    [['brain', 'resolve', 'a', '--keep', '--seen', 'zzz'], 'sm brain conflicts a shows'],
    [['brain', 'record'], 'needs --title'],
    [['brain', 'show'], 'needs <id>'],
    [['brain', 'supersede', 'a'], 'needs <new>'],
    [['brain', 'show', 'a', 'b'], 'does not take "b"'],
    [['brain', 'record', '--title=a', '--confidence', 'high'], 'must be a number'],
    [['brain', 'record', '--title=a', '--confidence='], 'must be a number'],
    [['brain', 'record', '--title=a', '--confidence', '0x1'], 'must be a number'],
    [['brain', 'record', '--title=a', '--summary=-', '--conclusion=-'], 'Only one'],
    [['brain', 'edit', 'abcd'], 'changes nothing'],
    [['brain', 'list', '--limit', '0'], 'whole number'],
    [['brain', 'list', '--limit', '1e2'], 'whole number'],
    [['brain', 'list', '--since', '2026-02-31'], 'an age or a time'],
    [['brain', 'list', '--since', 'yesterday'], 'an age or a time'],
    [['brain', 'export', '--format', 'yaml'], '--format'],
    [['brain', 'export', '--output='], '--output'],
    [['completion', 'tcsh'], 'completion'],
  ])('[X3] %j is refused before the brain is opened', async (argv, expected) => {
    const { code, err, out, openings } = await sm(argv);
    expect(err).toContain(expected);
    expect({ code, out, openings }).toEqual({ code: 2, out: '', openings: [] });
  });

  it('[X3] a switch may be repeated, and may stand before the command', async () => {
    const { code, json } = await sm(['--json', 'brain', '--json', 'list', '--json']);
    expect(code).toBe(0);
    expect(json()).toEqual([]);
  });
});
