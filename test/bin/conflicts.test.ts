/** `sm brain conflicts` and `sm brain resolve`. */
import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../lib/core/entry.ts';
import { entryOf, FakeBrain, idOf, NOW_MS, sm } from './fakes.ts';

/** A brain in which the second version of entry 1 lost to the first. */
function brainWith(ours: Partial<Entry>, theirs: Partial<Entry>): FakeBrain {
  const brain = new FakeBrain();
  const current = brain.put(entryOf({ updatedAt: NOW_MS - 3_600_000, ...ours }));
  const loser = {
    ...brain.put(entryOf({ updatedAt: NOW_MS - 7_200_000, agent: 'codex', ...theirs })),
    replicaId: 'r2',
  };
  brain.conflicts.push({ current, losers: [loser] });
  return brain;
}

const plain = (text: string) => text.replaceAll(/\u001b\[\d+m/g, '');

describe('conflicts', () => {
  const brain = brainWith({ conclusion: 'Lock the row first.' }, { conclusion: 'Retry thrice.', confidence: 0.3 });
  const hash = brain.conflicts[0]?.losers[0]?.hash ?? '';

  it('[S14] shows only the fields that differ, with agent, time and replica of each', async () => {
    const { code, out, err } = await sm(['brain', 'conflicts'], { brain });
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      'Retries hide the race',
      `  ${idOf(1)}`,
      '',
      '  current',
      '    written     2026-01-31T11:00:00.000Z by claude',
      '    on          00000000-0000-4000-8000-000000000001',
      '    confidence  0.8',
      '    conclusion  Lock the row first.',
      `  lost ${hash.slice(0, 12)}`,
      '    written     2026-01-31T10:00:00.000Z by codex',
      '    on          r2',
      '    confidence  0.3',
      '    conclusion  Retry thrice.',
      '',
    ]);
    expect(err).toContain(`sm brain resolve ${idOf(1)}`);
  });

  it('[S14] stands in two columns where the terminal is wide, else one below the other', async () => {
    const wide = plain((await sm(['brain', 'conflicts'], { brain, columns: 100 })).out).split('\n');
    expect(wide).toContainEqual(expect.stringMatching(/^ +current +│ lost [0-9a-f]{12}$/));
    expect(wide).toContainEqual(expect.stringMatching(/^ {2}conclusion {2}Lock the row first\. +│ Retry thrice\.$/));
    const narrow = plain((await sm(['brain', 'conflicts'], { brain, columns: 99 })).out);
    expect(narrow).not.toContain('│');
    expect(narrow).toContain('1 h ago by claude');
  });

  it('[X7] prints the conflicts with --json', async () => {
    expect((await sm(['brain', 'conflicts', '--json'], { brain })).json()).toEqual(brain.conflicts);
    const none = await sm(['brain', 'conflicts', '--json']);
    expect({ code: none.code, json: none.json(), err: none.err }).toEqual({ code: 0, json: [], err: '' });
  });

  it('[S14] asks for this project, for the workspace with --org, and for one entry with its id', async () => {
    const ask = async (...argv: string[]) => {
      const { code } = await sm(['brain', 'conflicts', ...argv], { brain });
      expect(code).toBe(0);
      return brain.lastRequest('conflicts');
    };
    expect(await ask()).toEqual({ scope: { workspaceId: 'w', projectId: 'p' }, limit: 20 });
    expect(await ask('--org', '--limit', '3')).toEqual({ scope: { workspaceId: 'w', projectId: null }, limit: 3 });
    expect(await ask(idOf(1))).toMatchObject({ idOrPrefix: idOf(1) });
    expect((await sm(['brain', 'conflicts', 'ffff'], { brain })).code).toBe(3);
  });

  it('[S14] the ways to settle the first one are printed as they can be run', async () => {
    const { err } = await sm(['brain', 'conflicts'], { brain });
    expect(err).toContain(`sm brain resolve ${idOf(1)} --keep `);
    expect(err).toContain(`sm brain resolve ${idOf(1)} --take ${hash.slice(0, 12)} `);
  });

  it('[S14] none is an answer, and a wider one is offered', async () => {
    const { code, out, err } = await sm(['brain', 'conflicts']);
    expect({ code, out }).toEqual({ code: 0, out: 'No conflicts.\n' });
    expect(err).toContain('--org');
    expect((await sm(['brain', 'conflicts', '--org'])).err).toBe('');
  });

  it('[X13] [X14] whatever the versions hold, no line is wider than the terminal and none acts on it', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 200 });
    const content = fc.record({ title: text, conclusion: text, summary: text, tags: fc.array(text, { maxLength: 3 }) });
    await fc.assert(
      fc.asyncProperty(content, content, fc.integer({ min: 45, max: 160 }), async (ours, theirs, columns) => {
        const evil = brainWith(ours, { ...theirs, agent: 'a\u001b[31m' });
        const shown = plain((await sm(['brain', 'conflicts'], { brain: evil, columns })).out);
        expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
        for (const line of shown.split('\n')) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
      }),
    );
  });
});

describe('resolve', () => {
  const brain = brainWith({}, { title: 'Other' });
  const resolve = (...argv: string[]) => sm(['brain', 'resolve', idOf(1), ...argv], { brain });
  const reference = { workspaceId: 'w', idOrPrefix: idOf(1) };
  const requestId = '00000000-0000-4000-8000-000000000001';

  it.each([
    [['--keep'], {}],
    [['--take', '9f86d081'], { take: '9f86d081' }],
    [['--keep', '--seen', '9f86d081', '--seen', 'ab'], { seen: ['9f86d081', 'ab'] }],
    [['--title', 'New', '--tags', ''], { edit: { title: 'New', tags: [] } }],
    [['--take', '9f86d081', '--confidence', '1'], { take: '9f86d081', edit: { confidence: 1 } }],
  ])('[S14] %j writes the version that is to hold', async (argv, expected) => {
    const { code, out } = await resolve(...argv);
    expect(code).toBe(0);
    expect(brain.lastRequest('resolve')).toEqual({ requestId, reference, ...expected });
    expect(out).toContain(idOf(1));
    expect((await resolve(...argv, '--json')).json()).toMatchObject({ entryId: idOf(1) });
  });

  it('[X3] says what it needs where nothing is said, and refuses what contradicts itself', async () => {
    for (const argv of [[], ['--keep', '--take', 'abcd'], ['--keep', '--title', 'x'], ['--json']]) {
      const { code, openings, err } = await resolve(...argv);
      expect({ code, openings }).toEqual({ code: 2, openings: [] });
      expect(err).toContain('--keep');
    }
    expect((await sm(['brain', 'resolve', '--keep'])).code).toBe(2);
  });
});
