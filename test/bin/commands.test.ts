/** Every command against a brain in memory: what it asks, what it prints, how it ends. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RequestOf } from '../../lib/brain/contract.ts';
import { SmError } from '../../lib/core/errors.ts';
import { OutputClosed } from '../../bin/output.ts';
import { main } from '../../bin/main.ts';
import { LOGGED_IN } from './fake-server.ts';
import { createWorld, entryOf, FakeBrain, idOf, NOW_MS, sm } from './fakes.ts';

function brainWith(...numbers: number[]): FakeBrain {
  const brain = new FakeBrain();
  for (const number of numbers) brain.put(entryOf({ entryId: idOf(number), title: `Entry ${number}` }));
  return brain;
}

const ENTRY_FIELDS = [
  'agent',
  'conclusion',
  'confidence',
  'createdAt',
  'entryId',
  'kind',
  'projectId',
  'refs',
  'status',
  'summary',
  'tags',
  'title',
  'updatedAt',
  'workspaceId',
];

describe('record', () => {
  it('[X6] says "recorded" with id and title once the brain has acknowledged', async () => {
    const { code, out, brain } = await sm(['brain', 'record', '--title', 'A title']);
    expect(code).toBe(0);
    expect(out).toBe(`recorded ${idOf(1)}  A title\n`);
    expect(brain.lastRequest('record')).toMatchObject({ scope: { workspaceId: 'w', projectId: 'p' }, agent: 'human' });
  });

  it('[X6] says nothing on stdout where the brain refused', async () => {
    const brain = new FakeBrain();
    brain.failure = new SmError({ code: 'disk_full', message: 'The disk is full.', hint: 'Free some space.' });
    const { code, out, err } = await sm(['brain', 'record', '--title', 'x'], { brain });
    expect({ code, out }).toEqual({ code: 7, out: '' });
    expect(err).toContain('The disk is full.');
    expect(err).toContain('Free some space.');
  });

  it('[X7] prints one entry object with --json', async () => {
    const { json } = await sm(['brain', 'record', '--title', 'x', '--json']);
    expect(Object.keys(json() as object).toSorted()).toEqual(ENTRY_FIELDS);
  });

  it('[X6] passes every field on', async () => {
    const { brain } = await sm([
      'brain',
      'record',
      '--title',
      't',
      '--summary',
      's',
      '--conclusion',
      'c',
      '--kind',
      'decision',
      '--agent',
      'codex',
      '--tags',
      'a,b',
      '--refs',
      'x,y',
      '--confidence',
      '.5',
      '--id',
      idOf(9),
      '--supersedes',
      'abcd',
    ]);
    const request = brain.lastRequest('record');
    expect(request.supersedes).toBe('abcd');
    expect(request.drafts).toEqual([
      {
        entryId: idOf(9),
        title: 't',
        summary: 's',
        conclusion: 'c',
        kind: 'decision',
        agent: 'codex',
        tags: ['a', 'b'],
        refs: ['x', 'y'],
        confidence: 0.5,
      },
    ]);
  });

  it.each([
    [{ SM_AGENT: 'x', CLAUDECODE: '1' }, 'conf', 'x'],
    [{ CLAUDECODE: '1' }, 'conf', 'conf'],
    [{ CLAUDECODE: '1' }, undefined, 'claude'],
    [{ CODEX_SANDBOX: 'seatbelt' }, undefined, 'codex'],
    [{ OPENCODE: '1' }, undefined, 'opencode'],
    [{ GEMINI_CLI: '1' }, undefined, 'gemini'],
    [{ CLAUDECODE: '' }, undefined, 'human'],
  ])('[X9] in %j with the configured agent %s the agent is %s', async (env, configAgent, expected) => {
    const options = { env: env as unknown as Record<string, string>, ...(configAgent ? { configAgent } : {}) };
    const { brain } = await sm(['brain', 'record', '--title', 't'], options);
    expect(brain.lastRequest('record').agent).toBe(expected);
  });

  it('[X21] opens the brain in this process where asked, and always lets go of it', async () => {
    expect((await sm(['brain', 'list'])).openings).toEqual([false]);
    expect((await sm(['brain', 'list', '--no-host'])).openings).toEqual([true]);
    expect((await sm(['--no-host', 'brain', 'list'])).openings).toEqual([true]);
    expect((await sm(['brain', 'list'], { env: { SM_NO_HOST: '1' } })).openings).toEqual([true]);
    const brain = new FakeBrain();
    brain.failure = new Error('boom');
    await sm(['brain', 'list'], { brain });
    expect(brain.isClosed).toBe(true);
  });
});

describe('record --from', () => {
  const from = (stdin: string, ...argv: string[]) => sm(['brain', 'record', '--from', '-', ...argv], { stdin });

  it('[X10] takes one object, over several lines too, and answers with one object', async () => {
    const { json } = await from('{\n "title": "007",\n "confidence": 1\n}\n', '--json');
    expect(json()).toMatchObject({ title: '007', confidence: 1 });
  });

  it('[X10] takes an array and JSON lines, and answers with an array', async () => {
    expect((await from('[{"title":"a"},{"title":"b"}]', '--json')).json()).toHaveLength(2);
    expect((await from('{"title":"a"}\n\n{"title":"b"}', '--json')).json()).toHaveLength(2);
  });

  it('[X10] checks all lines before it sends the first', async () => {
    const { code, err, openings } = await from('{"title":"a"}\n{"titel":"b"}\n');
    expect(code).toBe(2);
    expect(err).toContain('stdin, line 2');
    expect(openings).toEqual([]);
  });

  it('[X10] sends at most 500 drafts and 4 MiB at a time', async () => {
    const many = Array.from({ length: 1_201 }, (_, index) => `{"title":"${index}"}`).join('\n');
    const { brain, out } = await from(many);
    expect(brain.calls.map(({ request }) => (request as RequestOf<'record'>).drafts.length)).toEqual([500, 500, 201]);
    expect(new Set(brain.calls.map(({ request }) => (request as RequestOf<'record'>).requestId)).size).toBe(3);
    expect(out.trim().split('\n')).toHaveLength(1_201);

    const large = Array.from({ length: 100 }, (_, index) =>
      JSON.stringify({ title: `${index}`, summary: 'x'.repeat(60_000) }),
    );
    const { brain: second } = await from(large.join('\n'));
    const sizes = second.calls.map(({ request }) => JSON.stringify((request as RequestOf<'record'>).drafts).length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4 * 1024 * 1024 + 1_000);
    expect(sizes.length).toBe(2);
  });

  it('[X10] refuses what cannot be meant', async () => {
    for (const [stdin, ...argv] of [
      ['', '--json'],
      ['{"title":"a"}', '--title', 'b'],
      ['{"title":"a"}\nnot json'],
      ['[1]'],
      ['null'],
      ['[{"title":"a"},{"title":"b"}]', '--supersedes', 'abcd'],
    ] as const) {
      const { code, openings, out } = await from(stdin, ...argv);
      expect({ code, openings, out }).toEqual({ code: 2, openings: [], out: '' });
    }
  });
});

describe('stdin', () => {
  const summary = ['brain', 'record', '--title', 't', '--summary', '-'];

  it('[X8] a dash reads the field from stdin, without the last line end', async () => {
    const { brain } = await sm(summary, { stdin: 'one\ntwo\n' });
    expect(brain.lastRequest('record').drafts).toEqual([{ title: 't', summary: 'one\ntwo' }]);
  });

  it('[X8] invalid UTF-8 is refused', async () => {
    const { code, err, openings } = await sm(summary, { stdin: [Buffer.from([0x61, 0xff, 0x62])] });
    expect(code).toBe(2);
    expect(err).toContain('not valid UTF-8');
    expect(openings).toEqual([]);
  });

  it('[X8] a character split between two chunks is whole again', async () => {
    const bytes = Buffer.from('世界');
    const { brain } = await sm(summary, { stdin: [bytes.subarray(0, 2), bytes.subarray(2)] });
    expect(brain.lastRequest('record').drafts).toEqual([{ title: 't', summary: '世界' }]);
  });

  it('[X8] an endless pipe is refused after the limit, without being read to its end', async () => {
    function* endless() {
      for (;;) yield Buffer.alloc(65_536, 0x61);
    }
    const text = await sm(summary, { stdin: endless() });
    expect(text.code).toBe(4);
    expect(text.readBytes()).toBeLessThanOrEqual(3 * 65_536);
    const file = await sm(['brain', 'record', '--from', '-'], { stdin: endless() });
    expect(file.code).toBe(4);
    expect(file.readBytes()).toBeLessThanOrEqual(16 * 1024 * 1024 + 2 * 65_536);
  });

  it('[X8] exactly 64 KiB and a line end are accepted, one byte more is not', async () => {
    expect((await sm(summary, { stdin: `${'x'.repeat(65_536)}\n` })).code).toBe(0);
    expect((await sm(summary, { stdin: 'x'.repeat(65_537) })).code).toBe(4);
  });

  it('[X8] on a terminal it is said what is waited for', async () => {
    const { err } = await sm(summary, { stdin: 'x', isStdinTerminal: true });
    expect(err).toContain('Reading the summary from the terminal');
  });
});

describe('reading', () => {
  it('[X11] recall joins its words to one query and asks for this project', async () => {
    const brain = new FakeBrain();
    brain.put(entryOf());
    await sm(
      ['brain', 'recall', 'flaky', 'retry', '007', '--kind', 'note', '--tag', 'a', '--tag', 'b', '--agent', 'x'],
      { brain },
    );
    expect(brain.lastRequest('recall')).toEqual({
      scope: { workspaceId: 'w', projectId: 'p' },
      query: 'flaky retry 007',
      kind: 'note',
      tags: ['a', 'b'],
      agent: 'x',
      limit: 10,
      isLoose: false,
    });
  });

  it('[X11] --org asks for the whole workspace, --all for inactive entries too', async () => {
    const { brain } = await sm(['brain', 'recall', 'x', '--org', '--all', '--limit', '3']);
    expect(brain.lastRequest('recall')).toMatchObject({ scope: { projectId: null }, includeInactive: true, limit: 3 });
  });

  it('[X11] finding nothing is no failure: a sentence and a hint, or []', async () => {
    const human = await sm(['brain', 'recall', 'what', '"is"']);
    expect(human.code).toBe(0);
    expect(human.out).toBe('Nothing relevant to "what \\"is\\"".\n');
    expect(human.err).toBe('Nothing is recorded yet. Begin with: sm brain record --title "…" --conclusion "…"\n');
    const machine = await sm(['brain', 'recall', 'x', '--json']);
    expect(machine.json()).toEqual([]);
    expect(machine.err).toBe('');
  });

  it('[X11] the nearest misses are named as such on stderr, and stdout says that nothing is relevant', async () => {
    const brain = new FakeBrain();
    brain.hasMissesOnly = true;
    brain.put(entryOf());
    const human = await sm(['brain', 'recall', 'sourdough'], { brain });
    expect(human.out).toBe('Nothing relevant to "sourdough".\n');
    expect(human.err).toContain('Nearest misses, probably about something else:\n');
    expect(human.err).toContain(`${idOf(1).slice(0, 13)}  Retries hide the race\n`);
    expect(human.err).toContain('--org for all projects');
    expect(brain.lastRequest('recall')).toMatchObject({ isLoose: true, limit: 3 });
    expect((await sm(['brain', 'recall', 'sourdough', '--json'], { brain })).json()).toEqual([]);
  });

  it.each(['list', 'log', 'recall'])('[X11] an empty %s says how to begin, or where else to look', async (command) => {
    const first = await sm(['brain', command]);
    expect(first.err).toContain('Begin with: sm brain record');
    const brain = new FakeBrain();
    brain.put(entryOf());
    const asked: string[] = [];
    brain.run = async (operation, request) => {
      asked.push(operation);
      const isProbe = operation === 'list' && 'limit' in request && request.limit === 1;
      return isProbe ? [entryOf()] : [];
    };
    const later = await sm(['brain', command], { brain });
    expect(later.err).toContain('--org for all projects');
    expect((await sm(['brain', command, '--org'], { brain })).err).not.toContain('--org');
    expect(asked).toContain('list');
  });

  it.each([
    ['90s', NOW_MS - 90_000],
    ['30m', NOW_MS - 30 * 60_000],
    ['12h', NOW_MS - 12 * 3_600_000],
    ['7d', NOW_MS - 7 * 86_400_000],
    ['2w', NOW_MS - 14 * 86_400_000],
    ['1y', NOW_MS - 365 * 86_400_000],
    ['2026-01-30T09:00:00Z', Date.UTC(2026, 0, 30, 9)],
    ['2026-01-30T09:00:00.5+02:00', Date.UTC(2026, 0, 30, 7, 0, 0, 500)],
    ['2026-01-30', new Date(2026, 0, 30).getTime()],
    ['2026-01-30 09:15', new Date(2026, 0, 30, 9, 15).getTime()],
    ['1769767200000', 1769767200000],
    ['999999999w', 0],
  ])('[X12] --since %s is understood', async (since, expected) => {
    const { brain } = await sm(['brain', 'list', '--json', '--since', since]);
    expect(brain.lastRequest('list').sinceMs).toBe(expected);
  });

  it('[X7] list, recall and log print arrays, show one entry, history its versions', async () => {
    const brain = brainWith(1, 2);
    const json = async (...argv: string[]) => (await sm(['brain', ...argv, '--json'], { brain })).json();
    for (const command of ['list', 'recall']) {
      const [first] = (await json(command)) as object[];
      expect(Object.keys(first ?? {})).toEqual(expect.arrayContaining(ENTRY_FIELDS));
    }
    expect(Object.keys((await json('show', idOf(1))) as object).toSorted()).toEqual(ENTRY_FIELDS);
    const [change] = (await json('log')) as object[];
    expect(Object.keys(change ?? {}).toSorted()).toEqual([
      'base',
      'changeId',
      'entry',
      'hash',
      'origin',
      'outcome',
      'receivedAt',
      'replaces',
      'replicaId',
      'seq',
      'withdraws',
    ]);
    const [version] = (await json('history', idOf(1))) as object[];
    expect(version).toMatchObject({ isCurrent: true, reason: 'newest' });
    expect(Object.keys((await json('supersede', idOf(1), idOf(2))) as object)).toEqual(['old', 'new']);
    expect(await json('useful', idOf(1))).toMatchObject({ entryId: idOf(1), confidence: 0.838 });
    expect(await json('stale', idOf(1))).toMatchObject({ entryId: idOf(1), confidence: 0.4 });
    expect(await json('retract', idOf(1))).toMatchObject({ entryId: idOf(1), status: 'retracted' });
    expect(await json('edit', idOf(1), '--title', 'new')).toMatchObject({ title: 'new' });
  });

  it('[X7] status has exactly the documented fields', async () => {
    const { json } = await sm(['brain', 'status', '--json']);
    expect(Object.keys(json() as object)).toEqual([
      'projectId',
      'projectSource',
      'projectDetail',
      'workspaceId',
      'workspaceSource',
      'repoEntries',
      'orgEntries',
      'online',
      'byStatus',
      'byKind',
      'changes',
      'entries',
      'lastChangeAt',
      'replicaId',
      'clockRegressionMs',
      'storeBytes',
      'directory',
      'host',
      'byProject',
      'notAdopted',
      'conflicts',
      'embeddings',
      'sync',
    ]);
    expect(json()).toMatchObject({ online: false, host: { running: false } });
  });

  it('[X5] an unknown and an ambiguous id end with 3, the candidates are shown', async () => {
    const unknown = await sm(['brain', 'show', 'ffff']);
    expect(unknown.code).toBe(3);
    const ambiguous = await sm(['brain', 'show', '0198'], { brain: brainWith(1, 2) });
    expect(ambiguous.code).toBe(3);
    expect(ambiguous.err).toContain(`${idOf(1)}  Entry 1`);
    expect(ambiguous.err).toContain(`${idOf(2)}  Entry 2`);
  });
});

describe('failures', () => {
  it('[X4] with --json the error is one object on stderr and stdout stays empty', async () => {
    const { code, out, err } = await sm(['brain', 'show', 'ffff', '--json']);
    expect({ code, out }).toEqual({ code: 3, out: '' });
    expect(JSON.parse(err)).toEqual({ error: 'not_found', message: 'No entry has that id.' });
    const usage = await sm(['brain', 'lst', '--json']);
    expect(JSON.parse(usage.err)).toMatchObject({
      error: 'bad_request',
      hint: expect.stringContaining('list') as string,
    });
  });

  it('[X5] a bug is one line and a hint, exit code 1; the stack only with SM_DEBUG=1', async () => {
    const brain = new FakeBrain();
    brain.failure = new TypeError('x is not a function');
    const { code, err } = await sm(['brain', 'list'], { brain });
    expect(code).toBe(1);
    expect(err).toContain('SM_DEBUG=1');
    expect(err).not.toContain('    at ');
    const debug = await sm(['brain', 'list'], { brain, env: { SM_DEBUG: '1' } });
    expect(debug.err).toContain('    at ');
  });

  it('[X20] a reader that goes away ends the command quietly, and the brain is let go', async () => {
    const world = createWorld({ brain: brainWith(1) });
    world.stdout.failure = new OutputClosed('gone');
    expect(await main(['brain', 'list'], world.context)).toBe(0);
    expect(world.stderr.text).toBe('');
    expect(world.brain.isClosed).toBe(true);
  });

  it('[X26] any arguments end with 0, 2, 3 or 4, a message and no stack', async () => {
    const words = fc.constantFrom(
      'brain',
      'host',
      'record',
      'recall',
      'list',
      'show',
      'edit',
      'supersede',
      'retract',
      'history',
      'log',
      'status',
      'sync',
      'conflicts',
      'resolve',
      'login',
      'logout',
      '--push',
      '--keep',
      '--reset',
      '--key',
      'ada@example.org',
      'export',
      'import',
      'doctor',
      'completion',
      'help',
      'version',
      'complete',
      'bash',
      '--json',
      '--title',
      '--title=x',
      '--no-host',
      '--limit',
      '5',
      '--since',
      '7d',
      '--kind',
      'note',
      '-',
      '--',
      '-h',
      '--help',
      '--version',
      '-v',
      '--no-color',
      '--from',
      '--summary=-',
      '--confidence',
      '__proto__',
      '--__proto__',
      '--constructor=1',
      '--a.b=c',
      '0198',
      'toString',
    );
    const argv = fc.array(fc.oneof({ weight: 4, arbitrary: words }, fc.string({ unit: 'binary', maxLength: 20 })), {
      maxLength: 7,
    });
    await fc.assert(
      fc.asyncProperty(argv, async (given) => {
        const group = given[0] === undefined ? [] : given;
        fc.pre(!group.includes('--output') && !(group.includes('import') || group.includes('--from')));
        const { code, err } = await sm(group, { brain: brainWith(1), stdin: 'text', account: LOGGED_IN });
        expect([0, 2, 3, 4]).toContain(code);
        expect(err).not.toMatch(/^ {4}at /m);
        if (code !== 0) expect(err).not.toBe('');
      }),
      { numRuns: 500 },
    );
  });
});

describe('host and doctor', () => {
  it('[X25] host commands ask the host and never open the brain', async () => {
    const status = await sm(['host', 'status', '--json']);
    expect(status.json()).toEqual({ running: false });
    expect((await sm(['host', 'stop', '--json'])).json()).toEqual({ stopped: false });
    const logs = await sm(['host', 'logs', '--json']);
    expect(logs.json()).toEqual({ file: '/nowhere/host.log', lines: [] });
    for (const { code, openings } of [status, logs]) expect({ code, openings }).toEqual({ code: 0, openings: [] });
  });

  it('[X24] doctor ends with 7 where something is broken, else with 0', async () => {
    const warning = { check: 'disk', status: 'warning' as const, message: 'Nearly full.', remedy: 'Free some.' };
    const error = { check: 'log', status: 'error' as const, message: 'Differs.' };
    const fine = await sm(['doctor'], { findings: [warning] });
    expect(fine.code).toBe(0);
    expect(fine.out).toBe('warning: disk: Nearly full.\n    Free some.\n');
    const broken = await sm(['doctor', '--json'], { findings: [warning, error] });
    expect(broken.code).toBe(7);
    expect(broken.json()).toEqual({ ok: false, findings: [warning, error] });
    expect((await sm(['doctor'], { findings: [error], columns: 80 })).out).toContain('✗');
  });
});
