/** `sm brain sync` and `sm brain status`, against a server in memory. */
import { describe, expect, it } from 'vitest';
import { SmError } from '../../lib/core/errors.ts';
import type { SyncReport } from '../../bin/command.ts';
import { API_KEY, LOGGED_IN, NOW_MS, reportOf, syncStateOf } from './fake-server.ts';
import { FakeBrain, idOf, sm, type WorldOptions } from './fakes.ts';

const OFFLINE = reportOf({
  success: false,
  reason: { code: 'unavailable', message: 'Nobody answers at https://sync.example.org.', hint: 'Is it running?' },
  pending: 3,
});

function sync(argv: string[], reports: SyncReport[] = [reportOf()], options: WorldOptions = {}) {
  return sm(['brain', 'sync', ...argv], { account: LOGGED_IN, server: { reports }, ...options });
}

const moved = (pulled: number) =>
  reportOf({ pulled: { received: pulled, applied: pulled, superseded: 0, duplicate: 0, setAside: 0 } });

describe('sync', () => {
  it('[X7] pushes and pulls, and prints the report with --json', async () => {
    const { code, json, asked, err } = await sync(['--json']);
    expect(code).toBe(0);
    expect(err).toBe('');
    expect(json()).toEqual(reportOf());
    expect(asked).toEqual([
      {
        name: 'once',
        options: {
          endpoint: 'https://sync.example.org',
          apiKey: API_KEY,
          workspaceId: 'w',
          projectId: 'p0',
          mode: 'both',
          verify: false,
          restamp: false,
        },
      },
    ]);
  });

  it.each([
    [['--push'], { mode: 'push' }],
    [['--pull'], { mode: 'pull' }],
    [['--verify'], { mode: 'both', verify: true }],
    [['--restamp'], { mode: 'both', restamp: true }],
  ])('[X3] %j is passed on', async (argv, expected) => {
    expect((await sync(argv)).asked[0]?.options).toMatchObject(expected);
  });

  it('[X3] flags that exclude each other are refused before the brain is opened', async () => {
    for (const argv of [
      ['--push', '--pull'],
      ['--watch', '--verify'],
    ]) {
      const { code, openings, asked } = await sync(argv);
      expect({ code, openings, asked }).toEqual({ code: 2, openings: [], asked: [] });
    }
  });

  it('[X5] without a login it ends with 6 and the remedy, and does not open the brain', async () => {
    const { endpoint: _, ...noAddress } = LOGGED_IN;
    for (const account of [undefined, noAddress, { ...LOGGED_IN, workspaceId: '' }]) {
      const given = account === undefined ? {} : { account };
      const human = await sm(['brain', 'sync'], given);
      expect({ code: human.code, out: human.out, openings: human.openings }).toEqual({
        code: 6,
        out: '',
        openings: [],
      });
      expect(human.err).toContain('sm login');
      const machine = await sm(['brain', 'sync', '--json'], given);
      expect(JSON.parse(machine.err)).toMatchObject({ error: 'unauthorized' });
      expect(machine.out).toBe('');
    }
  });

  it('[X5] in a workspace that the key is not for it ends with 6', async () => {
    const account = { ...LOGGED_IN, workspaceId: 'another' };
    const { code, err, asked } = await sync([], undefined, { account, workspaceSource: 'env' });
    expect({ code, asked }).toEqual({ code: 6, asked: [] });
    expect(err).toContain('PROVENANT_WORKSPACE_ID');
  });

  it('[S15] a server that fails is data: the report is on stdout, the exit code is that of the reason', async () => {
    for (const [code, exitCode] of [
      ['unavailable', 5],
      ['rate_limited', 5],
      ['unauthorized', 6],
      ['forbidden', 6],
      ['unsupported_protocol', 4],
      ['disk_full', 7],
    ] as const) {
      const report = reportOf({
        success: false,
        reason: { code, message: 'It failed.', hint: 'Mend it.' },
        pending: 3,
      });
      const machine = await sync(['--json'], [report]);
      expect({ code: machine.code, err: machine.err }).toEqual({ code: exitCode, err: '' });
      expect(machine.json()).toEqual(report);
      const human = await sync([], [report]);
      expect(human.code).toBe(exitCode);
      expect(human.out).toBe('pushed 0, pulled 0; 3 pending\n');
      expect(human.err).toContain('sm: It failed.\n    Mend it.\n');
    }
  });

  it('[S15] what a server says cannot act on the terminal, nor tell the key', async () => {
    const evil = `\u001b[2J${API_KEY}\u202e`;
    const report = reportOf({
      success: false,
      reason: { code: 'unavailable', message: evil, hint: evil },
      notices: [evil],
    });
    for (const argv of [[], ['--json']]) {
      const { out, err } = await sync(argv, [report]);
      expect(out + err).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
      expect(out + err).not.toContain(API_KEY);
    }
  });

  it('[X4] says in a line what happened, and on stderr what else there is to know', async () => {
    const report = reportOf({
      protocol: 1,
      pushed: { sent: 9, applied: 5, superseded: 1, duplicate: 1, refused: 2, kept: 3 },
      pulled: { received: 4, applied: 2, superseded: 2, duplicate: 0, setAside: 1 },
      pending: 2,
      restamped: 1,
      clockOffsetMs: -600_000,
      notices: ['This brain was copied; it has a new replica id.'],
      verification: { isEqual: true, differences: 3, requests: 7 },
    });
    const brain = new FakeBrain();
    brain.sync.refusedCount = 2;
    const { out, err } = await sync([], [report], { brain });
    expect(out).toBe(
      'pushed 7 (1 older than what the server has), pulled 4 (2 older than what is here), 3 kept here, 2 refused, 1 set aside, ' +
        '1 written again with the right time; 2 pending\n',
    );
    for (const words of [
      '3 entries differed, and both sides hold the same',
      'This brain was copied',
      'protocol 1 only',
      'clock is 10 min ahead of the server',
      'sm brain status says what was refused or kept here',
    ]) {
      expect(err).toContain(words);
    }
    const corrected = 'new entries bear the corrected time';
    expect(err).toContain(corrected);
    const far = (await sync([], [reportOf({ clockOffsetMs: -49 * 3_600_000 })])).err;
    expect(far).toContain('too much for it to be corrected');
    expect(far).not.toContain(corrected);
    const unequal = reportOf({ verification: { isEqual: false, differences: 3, requests: 7 } });
    expect((await sync(['--verify'], [unequal])).err).toContain('do not hold the same yet');
    expect((await sync([])).err).toBe('');
  });

  it('[S8] of refusals that were all healed there is nothing to look up', async () => {
    const healed = reportOf({
      pushed: { sent: 3, applied: 2, superseded: 0, duplicate: 0, refused: 1, kept: 0 },
      restamped: 1,
    });
    const { out, err } = await sync([], [healed]);
    expect(out).toContain('1 refused, 1 written again with the right time');
    expect(err).toBe('');
  });

  it('[X4] progress is one line on a terminal, rewritten in place and taken away', async () => {
    const onSync = async ({ onProgress }: { onProgress?: (step: never) => void }) => {
      for (const step of [
        { phase: 'connecting', done: 0 },
        { phase: 'pushing', done: 500, total: 1_200 },
        { phase: 'waiting', done: 1, detail: `the \u001b server ${'…'.repeat(200)}` },
      ]) {
        onProgress?.(step as never);
        await Promise.resolve();
        await Promise.resolve();
        await Promise.resolve();
      }
    };
    const server = { onSync: onSync as never };
    const { err } = await sm(['brain', 'sync'], { account: LOGGED_IN, server, columns: 40 });
    expect(err).toContain('pushing 500 of 1200');
    expect(err).not.toContain('\n');
    expect(err.endsWith('\r\u001b[K')).toBe(true);
    for (const line of err.split('\r\u001b[K')) expect(line.length).toBeLessThan(40);
    expect((await sm(['brain', 'sync'], { account: LOGGED_IN, server })).err).toBe('');
  });

  it('[X21] a brain that fails is a failure like any other, and the brain is let go', async () => {
    const onSync = () => Promise.reject(new SmError({ code: 'store_failed', message: 'No.' }));
    const { code, brain, err } = await sm(['brain', 'sync'], { account: LOGGED_IN, server: { onSync } });
    expect({ code, closed: brain.isClosed, err }).toEqual({ code: 7, closed: true, err: 'sm: No.\n' });
  });
});

describe('sync --watch', () => {
  /** Watches until the `rounds`th wait. */
  function watch(reports: SyncReport[], rounds: number, argv: string[] = []) {
    const interruption = new AbortController();
    const onWait = (waits: readonly number[]) => {
      if (waits.length >= rounds) interruption.abort();
    };
    return sync(['--watch', ...argv], reports, { signal: interruption.signal, onWait });
  }

  it('[S15] prints when something moved, and ends with 130 when interrupted', async () => {
    const { code, out, waits } = await watch([reportOf(), moved(2), reportOf(), moved(1), reportOf()], 5);
    expect(code).toBe(130);
    expect(out).toBe(
      'pushed 0, pulled 0; nothing pending\npushed 0, pulled 2; nothing pending\npushed 0, pulled 1; nothing pending\n',
    );
    expect(waits).toEqual([5_000, 5_000, 5_000, 5_000, 5_000]);
  });

  it('[S15] backs off while the server is away, says so once, and comes back', async () => {
    const away = Array.from({ length: 9 }, () => OFFLINE);
    const { out, err, waits } = await watch([...away, reportOf()], 10);
    expect(waits).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000, 300_000, 5_000]);
    expect(out).toBe('pushed 0, pulled 0; 3 pending\npushed 0, pulled 0; nothing pending\n');
    expect(err.match(/Nobody answers/g)).toHaveLength(1);
  });

  it('[S15] ends where trying again cannot help', async () => {
    const refused = reportOf({ success: false, reason: { code: 'unauthorized', message: 'No such key.' } });
    const { code, waits, err } = await watch([reportOf(), refused], 10);
    expect({ code, waits }).toEqual({ code: 6, waits: [5_000] });
    expect(err).toContain('No such key.');
  });

  it('[S15] with --json each line is a report, and --restamp is for the first round', async () => {
    const { out, asked } = await watch([moved(1), reportOf(), moved(2)], 3, ['--json', '--restamp']);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([moved(1), moved(2)]);
    expect(asked.map(({ options }) => options['restamp'])).toEqual([true, false, false]);
  });
});

describe('status', () => {
  function status(argv: string[], state: Parameters<typeof syncStateOf>[0] = {}, options: WorldOptions = {}) {
    const brain = options.brain ?? new FakeBrain();
    brain.sync = syncStateOf(state);
    return sm(['brain', 'status', ...argv], { account: LOGGED_IN, ...options, brain });
  }

  it('[S15] a key that is refused is told of with what to do', async () => {
    const lastError = { code: 'unauthorized', message: 'This key was revoked.', at: NOW_MS } as const;
    expect((await status([], { lastError })).out).toContain(
      'This key was revoked. Log in with a valid key: sm login --key -',
    );
  });

  it('[X7] tells how far the brain has come with its server', async () => {
    const refusal = {
      direction: 'push' as const,
      changeId: idOf(8),
      entryId: idOf(9),
      seq: 4,
      code: 'too_large',
      message: 'Too large.',
      refusedAt: NOW_MS,
    };
    const { json } = await status(['--json'], {
      pending: 3,
      pendingSince: NOW_MS - 90_000,
      refusedCount: 1,
      refusals: [refusal],
      conflicts: 2,
      projectIds: ['p', 'q'],
    });
    expect(json()).toMatchObject({ online: true, conflicts: 2, byProject: { p: 1, q: 1 }, notAdopted: 0 });
    expect((json() as { sync: unknown }).sync).toEqual({
      loggedIn: true,
      automatic: true,
      endpoint: 'https://sync.example.org',
      protocol: 2,
      pending: 3,
      pendingSince: NOW_MS - 90_000,
      lagMs: 90_000,
      lastPushAt: NOW_MS - 60_000,
      lastPullAt: NOW_MS - 30_000,
      clockOffsetMs: 3,
      lastError: null,
      refusedCount: 1,
      refusals: [refusal],
    });
  });

  it('[X7] is online where the last contact succeeded, and asks no server', async () => {
    const isOnline = async (state: Parameters<typeof syncStateOf>[0], options: WorldOptions = {}) => {
      const { json, asked } = await status(['--json'], state, options);
      expect(asked).toEqual([]);
      return (json() as { online: boolean }).online;
    };
    expect(await isOnline({})).toBe(true);
    expect(await isOnline({ lastError: { code: 'unavailable', message: 'x', at: 1 } })).toBe(false);
    expect(await isOnline({ lastPushAt: null })).toBe(false);
    expect(await isOnline({ lastPullAt: null })).toBe(false);
    expect(await isOnline({}, { account: { workspaceId: 'w', isAutomatic: true } })).toBe(false);
    expect(await isOnline({}, { account: { ...LOGGED_IN, workspaceId: 'another' } })).toBe(false);
  });

  it('[S9] shows people what was refused and why, and what else wants looking at', async () => {
    const refusals = Array.from({ length: 7 }, (_, index) => ({
      direction: 'push' as const,
      changeId: idOf(index),
      entryId: idOf(index),
      seq: index + 1,
      code: 'clock_ahead',
      message: `Refused ${index}.`,
      refusedAt: NOW_MS,
    }));
    const brain = new FakeBrain();
    brain.unadopted = 6;
    const state = {
      pending: 7,
      pendingSince: NOW_MS - 3_600_000,
      refusals,
      refusedCount: 7,
      conflicts: 2,
      clockOffsetMs: 120_000,
      lastError: { code: 'unavailable', message: `Nobody \u001b[31m ${API_KEY}`, at: NOW_MS - 60_000 },
    };
    const { out } = await status([], state, { brain });
    for (const words of [
      'https://sync.example.org (protocol 2)',
      '7 changes, the oldest for 1 h',
      'clock is 2 min behind the server',
      'Nobody \\x1b[31m [hidden]',
      'Not synced: 7 changes',
      'clock_ahead): Refused 4.',
      'and 2 more',
      'Unresolved: 2 conflicts; "sm brain conflicts --org"',
      'In no workspace, because recorded before logging in: 6 entries',
    ]) {
      expect(out).toContain(words);
    }
    expect(out).not.toContain('Refused 5.');
    const narrow = (await status([], state, { brain, columns: 60 })).out.replaceAll(/\u001b\[\d+m/g, '');
    for (const line of narrow.split('\n')) expect(line.length).toBeLessThanOrEqual(60);
  });

  it('[S14] counts conflicts without a server too', async () => {
    const brain = new FakeBrain();
    const { json, out: _ } = await sm(['brain', 'status', '--json'], { brain });
    expect(json()).toMatchObject({
      conflicts: 0,
      sync: { loggedIn: false, endpoint: null, pending: 0, protocol: null },
    });
    expect(brain.calls.some(({ operation }) => operation === 'syncState')).toBe(false);
    expect((await sm(['brain', 'status'])).out).toContain('none; sm login connects this brain to one');
  });

  it('[S17] says whether the host syncs by itself', async () => {
    expect((await status([])).out).toContain('automatic');
    const byHand = await status([], {}, { account: { ...LOGGED_IN, isAutomatic: false } });
    expect(byHand.out).toContain('by hand only');
  });
});
