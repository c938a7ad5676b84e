/** `sm brain context` and `sm brain why`: what they ask and print. */
import { describe, expect, it } from 'vitest';
import { entryOf, FakeBrain, idOf, sm } from './fakes.ts';

describe('context', () => {
  const brain = new FakeBrain();
  brain.pack = { text: '<f>\n- A title\u001b[31m\n</f>\n', tokens: 12, budget: 800, entries: [], omitted: 0 };

  it('[R26] prints the text and nothing else', async () => {
    const { code, out, err } = await sm(['brain', 'context', 'flaky', 'retry', '--budget', '800', '--org'], { brain });
    expect({ code, out, err }).toEqual({ code: 0, out: '<f>\n- A title\\x1b[31m\n</f>\n', err: '' });
    expect(brain.lastRequest('context')).toEqual({
      scope: { workspaceId: 'w', projectId: 'p' },
      includesOrg: true,
      query: 'flaky retry',
      budget: 800,
      format: 'markdown',
    });
  });

  it('[R26] prints nothing on stdout where there is nothing, and with --json what there is', async () => {
    const nothing = await sm(['brain', 'context']);
    expect({ code: nothing.code, out: nothing.out }).toEqual({ code: 0, out: '' });
    expect(nothing.err).toContain('Nothing is recorded here yet. --org');
    expect((await sm(['brain', 'context', 'x', '--org'])).err).toBe('Nothing recorded is relevant to that.\n');
    expect((await sm(['brain', 'context', '--json', '--format', 'xml'], { brain })).json()).toEqual(brain.pack);
    expect(brain.lastRequest('context').format).toBe('xml');
  });

  it.each([
    ['--budget', '199'],
    ['--budget', '100001'],
    ['--budget', '1e3'],
    ['--budget', '-5'],
    ['--format', 'yaml'],
  ])('[R26] %s %s is refused, with what it may be', async (flag, value) => {
    const { code, err } = await sm(['brain', 'context', `${flag}=${value}`]);
    expect(code).toBe(2);
    expect(err).toContain(`${flag} must be`);
    expect(err).toContain('For example: ');
  });
});

describe('why', () => {
  const brain = new FakeBrain();
  brain.put(entryOf({ entryId: idOf(1), title: 'Jitter' }));
  brain.matched = [{ by: 'commit', ref: 'commit:a1b2c3d', names: 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334' }];
  const code = { commits: ['a1b2c3d4e5f60718293a4b5c6d7e8f9001122334'], paths: ['src/a.ts', 'b.ts'], keys: ['#1'] };

  it.each([
    ['src/a.ts', 'src/a.ts', undefined],
    ['src/a.ts:12', 'src/a.ts', { first: 12, last: 12 }],
    ['src/a.ts:12-20', 'src/a.ts', { first: 12, last: 20 }],
    ['odd:7', 'odd:7', undefined],
    ['C:\\a.ts:3', 'C:\\a.ts', { first: 3, last: 3 }],
  ])('[R26] %s asks git for %s, %j', async (place, file, lines) => {
    const { places } = await sm(['brain', 'why', place], { brain, code, files: ['odd:7'] });
    expect(places).toEqual([{ file, lines }]);
    expect(brain.lastRequest('why')).toEqual({ scope: { workspaceId: 'w', projectId: 'p' }, ...code, limit: 10 });
  });

  it('[R26] shows each entry with the ref that leads there, and what git has warned of', async () => {
    const { out, err } = await sm(['brain', 'why', 'a.ts', '--org'], {
      brain,
      code: { ...code, warnings: ['Shallow.'] },
    });
    expect(out).toContain('Jitter\n');
    expect(out).toContain('  commit a1b2c3d4e5f6, by its ref commit:a1b2c3d\n');
    expect(err).toBe('Shallow.\n');
    expect(brain.lastRequest('why').scope.projectId).toBeNull();
    expect((await sm(['brain', 'why', 'a.ts', '--json'], { brain, code })).json()).toMatchObject([
      { matched: brain.matched },
    ]);
  });

  it('[R26] says where nothing is known', async () => {
    const { code: exit, out, err } = await sm(['brain', 'why', 'a.ts'], { code });
    expect({ exit, out, err }).toEqual({
      exit: 0,
      out: 'No entry names a.ts or its commit.\n',
      err: 'Try --org for all projects.\n',
    });
  });

  it.each([[['a.ts:0']], [['a.ts:9-3']], [['a.ts', 'b.ts']]])('[R26] %j is refused', async (args) => {
    expect((await sm(['brain', 'why', ...args])).code).toBe(2);
  });
});
