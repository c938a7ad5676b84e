/** `sm login` and `sm logout`, against a configuration and a server in memory. */
import { describe, expect, it } from 'vitest';
import { SmError } from '../../lib/core/errors.ts';
import { OutputClosed } from '../../bin/output.ts';
import { main } from '../../bin/main.ts';
import { API_KEY, type FakeServer, LOGGED_IN, reportOf } from './fake-server.ts';
import { createWorld, FakeBrain, type Outcome, sm, type WorldOptions } from './fakes.ts';

const URL_FLAG = ['--url', 'https://sync.example.org'];
const EMAIL = ['login', 'ada@example.org', ...URL_FLAG];

const names = ({ asked }: Outcome) => asked.map(({ name }) => name);

function brainWith(unadopted: number): FakeBrain {
  const brain = new FakeBrain();
  brain.unadopted = unadopted;
  return brain;
}

describe('login with an e-mail address', () => {
  it('[S18] keeps key, address, workspace, project and e-mail address, and says where one is', async () => {
    const outcome = await sm(EMAIL);
    expect(outcome.code).toBe(0);
    expect(outcome.written).toEqual([
      {
        apiKey: API_KEY,
        apiUrl: 'https://sync.example.org',
        projectId: 'p0',
        workspaceId: 'w',
        email: 'ada@example.org',
      },
    ]);
    expect(outcome.out).toBe(
      'logged in to workspace w at https://sync.example.org as ada@example.org\npushed 0, pulled 0; nothing pending\n',
    );
    expect(names(outcome)).toEqual(['signUp', 'once']);
    expect(outcome.asked[0]?.options).toEqual({
      endpoint: 'https://sync.example.org',
      email: 'ada@example.org',
      workspaceName: 'ada',
    });
    expect(outcome.brain.isClosed).toBe(true);
  });

  it('[S18] passes name and invitation on, and the address as it is meant', async () => {
    const { asked } = await sm([
      'login',
      ' Ada@Example.ORG ',
      '--url=HTTPS://Sync.example.org:443/v1/',
      '--workspace',
      'Acme',
      '--invitation',
      'tok',
      '--no-sync',
    ]);
    expect(asked).toEqual([
      {
        name: 'signUp',
        options: {
          endpoint: 'https://sync.example.org',
          email: 'ada@example.org',
          workspaceName: 'Acme',
          invitation: 'tok',
        },
      },
    ]);
  });

  it('[X7] prints exactly the documented fields with --json', async () => {
    const { json, err } = await sm([...EMAIL, '--json'], { brain: brainWith(3) });
    expect(err).toBe('');
    expect(json()).toEqual({
      endpoint: 'https://sync.example.org',
      workspaceId: 'w',
      workspaceName: null,
      projectId: 'p0',
      email: 'ada@example.org',
      adopted: 3,
      notAdopted: 0,
      earlierWorkspace: null,
      sync: reportOf(),
    });
  });

  it('[S18] takes the address from the flag, then SM_API_URL, then the last login; without one it says how to get one', async () => {
    const env = { SM_API_URL: 'http://127.0.0.1:8787/' };
    const endpointOf = async (argv: string[], options: WorldOptions) =>
      (await sm(['login', 'b@example.org', ...argv], options)).asked[0]?.options['endpoint'];
    expect(await endpointOf(URL_FLAG, { env, account: LOGGED_IN })).toBe('https://sync.example.org');
    expect(await endpointOf([], { env, account: LOGGED_IN })).toBe('http://127.0.0.1:8787');
    expect(await endpointOf([], { account: LOGGED_IN })).toBe('https://sync.example.org');
    const none = await sm(['login', 'b@example.org']);
    expect(none.code).toBe(2);
    expect(none.err).toContain('sm serve');
    expect(none.err).toContain('npm run stub');
  });

  it('[S18] explains what to do where the address has a workspace', async () => {
    const details = { workspaceId: 'w9', projectId: 'p9' };
    const signUp = new SmError({ code: 'workspace_exists', message: 'Taken.', details });
    const human = await sm(EMAIL, { server: { signUp } });
    expect(human.code).toBe(4);
    for (const words of ['--key -', '--invitation', '--reset', 'revokes']) expect(human.err).toContain(words);
    expect(human.written).toEqual([]);
    const machine = await sm([...EMAIL, '--json'], { server: { signUp } });
    expect(JSON.parse(machine.err)).toMatchObject({ error: 'workspace_exists', details });
  });

  it('[S18] a reset sends the present key, and only to the server that it is for', async () => {
    const same = await sm(['login', 'ada@example.org', '--reset', '--no-sync'], { account: LOGGED_IN });
    expect(same.asked).toEqual([
      {
        name: 'resetKey',
        options: { endpoint: 'https://sync.example.org', email: 'ada@example.org', apiKey: API_KEY },
      },
    ]);
    const other = ['login', 'ada@example.org', '--reset', '--no-sync', '--url', 'https://other.example.org'];
    expect((await sm(other, { account: LOGGED_IN })).asked).toEqual([
      { name: 'resetKey', options: { endpoint: 'https://other.example.org', email: 'ada@example.org' } },
    ]);
  });
});

describe('login again', () => {
  it('[S18] a reset that is refused says who may', async () => {
    const resetKey = new SmError({ code: 'forbidden', message: 'Not without the key.' });
    const { code, err, written } = await sm(['login', 'ada@example.org', '--reset', ...URL_FLAG], {
      server: { resetKey },
    });
    expect({ code, written }).toEqual({ code: 6, written: [] });
    expect(err).toContain('Not without the key.');
    expect(err).toContain('administrator');
  });

  it('[S18] with the same address keeps the key that there is, and writes the same', async () => {
    for (const argv of [EMAIL, ['login', 'ada@example.org'], ['login'], ['login', '--workspace', 'w']]) {
      const outcome = await sm([...argv, '--no-sync'], { account: LOGGED_IN });
      expect({ argv, code: outcome.code, asked: names(outcome) }).toEqual({ argv, code: 0, asked: ['readKey'] });
      expect(outcome.written).toEqual([
        {
          apiKey: API_KEY,
          apiUrl: 'https://sync.example.org',
          projectId: 'p0',
          workspaceId: 'w',
          email: 'ada@example.org',
        },
      ]);
    }
  });

  it('[S18] signs up anew where the key is known no more, another address is meant, or an invitation is given', async () => {
    const readKey = new SmError({ code: 'unauthorized', message: 'No such key.' });
    const revoked = await sm([...EMAIL, '--no-sync'], { account: LOGGED_IN, server: { readKey } });
    expect(names(revoked)).toEqual(['readKey', 'signUp']);
    const argv = ['login', 'bob@example.org', '--no-sync'];
    expect(names(await sm(argv, { account: LOGGED_IN }))).toEqual(['signUp']);
    const invited = [...EMAIL, '--invitation', 'tok', '--no-sync'];
    expect(names(await sm(invited, { account: LOGGED_IN }))).toEqual(['signUp']);
  });

  it('[S18] a server that does not answer changes nothing', async () => {
    const readKey = new SmError({ code: 'unavailable', message: 'Nobody answers.' });
    const outcome = await sm(EMAIL, { account: LOGGED_IN, server: { readKey } });
    expect({ code: outcome.code, written: outcome.written }).toEqual({ code: 5, written: [] });
  });

  it('[S18] an invitation that is used up says so to who is logged in there already', async () => {
    const signUp = new SmError({ code: 'forbidden', message: 'Signing up here needs an invitation.', hint: 'Ask.' });
    const again = await sm([...EMAIL, '--invitation', 'used'], { account: LOGGED_IN, server: { signUp } });
    expect(again.code).toBe(6);
    expect(again.err).toContain('is logged in there as ada@example.org already; "sm login" alone logs in again.');
    const first = await sm([...EMAIL, '--invitation', 'used'], { server: { signUp } });
    expect(first.err).toContain('Ask.');
  });

  it.each(['127.0.0.1:7788', 'localhost:7788', 'sync.example.org'])(
    '[S18] --url %s is told to begin with a scheme',
    async (url) => {
      const { code, err, asked } = await sm(['login', 'a@b.c', '--url', url]);
      expect({ code, asked }).toEqual({ code: 2, asked: [] });
      expect(err).toContain('--url must begin with https:// or http://');
    },
  );

  it('[S18] to another workspace says that the entries of the first stay there', async () => {
    const brain = new FakeBrain();
    brain.counts.set('old', 7);
    const account = { ...LOGGED_IN, workspaceId: 'old' };
    const argv = ['login', '--key', 'another_key', ...URL_FLAG];
    const { err, code } = await sm(argv, { account, brain });
    expect(code).toBe(0);
    expect(err).toContain('Filed under workspace old, on this machine and on its server, as before: 7 entries.');
    const json = (await sm([...argv, '--json'], { account, brain })).json();
    expect(json).toMatchObject({ earlierWorkspace: { workspaceId: 'old', entries: 7 }, email: null });
    brain.counts.set('old', 0);
    expect((await sm(argv, { account, brain })).err).toBe('');
  });
});

describe('login with a key', () => {
  const SECRET = 'sm_other_9f86d081';

  it('[S18] takes the key from stdin or the flag, and learns from the server what it is for', async () => {
    for (const [given, stdin] of [
      ['-', `${SECRET}\r\n`],
      [SECRET, ''],
    ] as const) {
      const outcome = await sm(['login', '--key', given, ...URL_FLAG, '--no-sync'], { stdin });
      expect(outcome.code).toBe(0);
      expect(outcome.out).toBe('logged in to workspace Acme (w) at https://sync.example.org\n');
      expect(outcome.asked).toEqual([
        { name: 'readKey', options: { endpoint: 'https://sync.example.org', apiKey: SECRET } },
      ]);
      expect(outcome.written[0]).toMatchObject({ apiKey: SECRET, workspaceId: 'w', projectId: 'p0', email: null });
    }
  });

  it('[S18] holds the key against --workspace, by id or by name', async () => {
    const login = (workspace: string) => sm(['login', '--key', SECRET, ...URL_FLAG, '--workspace', workspace]);
    expect((await login('w')).code).toBe(0);
    expect((await login('Acme')).code).toBe(0);
    const other = await login('x');
    expect({ code: other.code, written: other.written }).toEqual({ code: 6, written: [] });
  });

  it('[S18] takes the word of the user where the server cannot tell the workspace', async () => {
    const readKey = new SmError({ code: 'not_found', message: 'No such page.' });
    const argv = ['login', '--key', SECRET, ...URL_FLAG, '--no-sync'];
    const silent = await sm(argv, { server: { readKey } });
    expect(silent.code).toBe(3);
    expect(silent.err).toContain('--workspace <id>');
    const told = await sm([...argv, '--workspace', 'w7'], { server: { readKey } });
    expect(told.written).toEqual([
      { apiKey: SECRET, apiUrl: 'https://sync.example.org', workspaceId: 'w7', projectId: null, email: null },
    ]);
  });

  it('[S18] refuses what cannot be meant before anything is asked or written, without repeating it', async () => {
    for (const argv of [
      ['login'],
      ['login', ...URL_FLAG],
      ['login', '--reset', ...URL_FLAG],
      ['login', SECRET, ...URL_FLAG],
      ['login', 'a@b.c', SECRET, ...URL_FLAG],
      ['login', 'a@b.c', '--key', SECRET, ...URL_FLAG],
      ['login', '--key', SECRET, '--reset', ...URL_FLAG],
      ['login', '--key', SECRET, '--invitation', SECRET, ...URL_FLAG],
      ['login', '--key', `-${SECRET}`, ...URL_FLAG],
      ['login', '--key', SECRET, '--key', SECRET, ...URL_FLAG],
      ['login', '--key', `${SECRET} ${SECRET}`, ...URL_FLAG],
      ['login', '--key=', ...URL_FLAG],
      ['login', '--key', SECRET, '--url', `https://ada:${SECRET}@sync.example.org`],
      ['login', '--key', SECRET, '--url', `https://sync.example.org/${SECRET}`],
      ['login', '--key', SECRET, '--url', 'ftp://sync.example.org'],
      ['login', '--key', SECRET, '--url', ''],
      ['login', 'not-an-address', ...URL_FLAG],
      ['login', 'a@b.c\u001b[31m', ...URL_FLAG],
    ]) {
      for (const flags of [[], ['--json']]) {
        const { code, out, err, asked, written } = await sm([...argv, ...flags], { env: { SM_DEBUG: '1' } });
        expect({ argv, code, out, asked, written }).toEqual({ argv, code: 2, out: '', asked: [], written: [] });
        expect(err).not.toContain(SECRET);
      }
    }
    const blocked = await sm(['login', 'a@b.c', '--url', 'http://127.0.0.1:6000']);
    expect({ code: blocked.code, asked: blocked.asked }).toEqual({ code: 2, asked: [] });
    expect(blocked.err).toContain('--url names port 6000, to which no client connects');
    expect(blocked.err).not.toMatch(/bug|when it answers/);
    // Of another server than the one that the key in the configuration is for.
    const elsewhere = await sm(['login', '--url', 'https://other.example.org'], { account: LOGGED_IN });
    expect({ code: elsewhere.code, asked: elsewhere.asked }).toEqual({ code: 2, asked: [] });
    const empty = await sm(['login', '--key', '-', ...URL_FLAG], { stdin: '' });
    expect(empty.code).toBe(2);
  });

  it('[S18] no output holds the key, whatever a server says', async () => {
    const failure = new SmError({
      code: 'unauthorized',
      message: `No key ${API_KEY} is known.`,
      hint: `Was it ${API_KEY}?`,
      details: { key: [API_KEY] },
      cause: new Error(`Bearer ${API_KEY}`),
    });
    const reason = { code: 'unavailable' as const, message: `no ${API_KEY}`, hint: API_KEY };
    const servers: FakeServer[] = [
      {},
      { readKey: failure },
      { readKey: { workspaceId: 'w', projectId: 'p', workspaceName: API_KEY } },
      { readKey: { workspaceId: API_KEY, projectId: API_KEY, workspaceName: '' } },
      { reports: [reportOf({ success: false, reason, notices: [`${API_KEY}!`] })] },
    ];
    for (const server of servers) {
      for (const argv of [EMAIL, ['login', '--key', API_KEY, ...URL_FLAG], ['login']]) {
        for (const flags of [[], ['--json']]) {
          const options = { account: LOGGED_IN, server, env: { SM_DEBUG: '1' } };
          const { out, err } = await sm([...argv, ...flags], options);
          expect(out + err).not.toBe('');
          expect(out + err).not.toContain(API_KEY);
        }
      }
    }
  });
});

describe('what the server answers', () => {
  it.each([
    { apiKey: 'a\nb', workspaceId: 'w', projectId: 'p' },
    { apiKey: '', workspaceId: 'w', projectId: 'p' },
    { apiKey: 'k', workspaceId: ' ', projectId: 'p' },
    { apiKey: 'k', workspaceId: 'x'.repeat(129), projectId: 'p' },
    { apiKey: 'k', workspaceId: 'a\u0000b', projectId: 'p' },
  ])('[S15] %j is not kept', async (signUp) => {
    const outcome = await sm(EMAIL, { server: { signUp } });
    expect({ code: outcome.code, written: outcome.written }).toEqual({ code: 5, written: [] });
  });

  it('[S18] a key is not asked for where it could not be kept', async () => {
    const configFailure = new SmError({ code: 'no_permission', message: 'config.json cannot be written.' });
    const outcome = await sm(EMAIL, { server: { configFailure } });
    expect({ code: outcome.code, asked: outcome.asked }).toEqual({ code: 7, asked: [] });
  });

  it('[S15] a first sync that fails is said, and one is logged in all the same', async () => {
    const reason = { code: 'unavailable' as const, message: 'Nobody answers.', hint: 'Later.' };
    const server = { reports: [reportOf({ success: false, reason, pending: 4 })] };
    const { code, out, err, written } = await sm(EMAIL, { server });
    expect(code).toBe(0);
    expect(written).toHaveLength(1);
    expect(out).toContain('4 pending');
    expect(err).toContain('Nobody answers.');
    expect(err).toContain('logged in all the same');
  });

  it('[S18] warns of plain http to where others can listen, and of nothing else', async () => {
    const warned = async (url: string) => (await sm(['login', 'a@b.c', '--url', url])).err.includes('not encrypted');
    expect(await warned('http://sync.example.org')).toBe(true);
    expect(await warned('http://203.0.113.5:8787')).toBe(true);
    for (const url of [
      'https://sync.example.org',
      'http://localhost:1',
      'http://100.101.102.103',
      'http://box.ts.net',
    ]) {
      expect(await warned(url)).toBe(false);
    }
  });
});

describe('adoption', () => {
  it('[S19] takes over all that was recorded before, in bounded batches, each asked for once', async () => {
    const brain = brainWith(2_345);
    const { out } = await sm(EMAIL, { brain });
    const requests = brain.calls.filter(({ operation }) => operation === 'adopt').map(({ request }) => request);
    expect(requests).toHaveLength(3);
    expect(new Set(requests.map((request) => (request as { requestId: string }).requestId)).size).toBe(3);
    for (const request of requests) expect(request).toMatchObject({ workspaceId: 'w', limit: 1_000 });
    expect(out).toContain('adopted 2345 entries recorded before login\n');
  });

  it('[S19] leaves them with --no-adopt, and says how many and how to have them later', async () => {
    const brain = brainWith(5);
    const { err, out, json: _ } = await sm([...EMAIL, '--no-adopt'], { brain });
    expect(brain.calls.some(({ operation }) => operation === 'adopt')).toBe(false);
    expect(out).not.toContain('adopted');
    expect(err).toContain('In no workspace, because recorded before: 5 entries');
    expect(err).toContain('"sm login" again');
    const { json } = await sm(['login', '--json'], { brain, account: LOGGED_IN });
    expect(json()).toMatchObject({ adopted: 5, notAdopted: 0 });
  });

  it('[S19] ends where a batch takes nothing over', async () => {
    const brain = brainWith(5);
    const run = brain.run.bind(brain);
    brain.run = (async (operation: 'adopt', request: never) =>
      operation === 'adopt' ? { adopted: 0, remaining: 5 } : run(operation, request)) as never;
    expect((await sm([...EMAIL, '--json'], { brain })).json()).toMatchObject({ adopted: 0, notAdopted: 5 });
  });

  it('[S19] a brain that fails leaves one logged in, and what is left is told', async () => {
    const brain = brainWith(5);
    brain.failure = new SmError({ code: 'disk_full', message: 'The disk is full.', hint: 'Free some space.' });
    const { code, err, written } = await sm(EMAIL, { brain });
    expect({ code, written: written.length }).toEqual({ code: 7, written: 1 });
    expect(err).toContain('Logged in, but the brain could not be brought along: The disk is full.');
    expect(err).toContain('run sm login again');
  });

  it('[S19] progress is shown on a terminal alone, and taken away again', async () => {
    const piped = await sm(EMAIL, { brain: brainWith(2_345) });
    expect(piped.err).toBe('');
    const { err } = await sm(EMAIL, { brain: brainWith(2_345), columns: 80 });
    expect(err).toContain('adopting 1000 of 2345');
    expect(err.endsWith('\r\u001b[K')).toBe(true);
  });

  it('[X20] a reader that goes away ends login quietly', async () => {
    const world = createWorld();
    world.stdout.failure = new OutputClosed('gone');
    expect(await main(EMAIL, world.context)).toBe(0);
    expect(world.stderr.text).toBe('');
    expect(world.written).toHaveLength(1);
  });
});

describe('logout', () => {
  it('[S18] forgets key, address and e-mail address, keeps workspace and project, and says so', async () => {
    const { code, out, err, written, asked, openings } = await sm(['logout'], { account: LOGGED_IN });
    expect({ code, asked, openings }).toEqual({ code: 0, asked: [], openings: [] });
    expect(written).toEqual([{ apiKey: null, apiUrl: null, email: null }]);
    expect(out).toBe('logged out of https://sync.example.org\n');
    expect(err).toContain('workspace w stay here');
    const json = (await sm(['logout', '--json'], { account: LOGGED_IN })).json();
    expect(json).toEqual({ loggedOut: true, endpoint: 'https://sync.example.org', workspaceId: 'w' });
  });

  it('[S18] without a login is fine', async () => {
    const { code, out, err } = await sm(['logout']);
    expect({ code, out, err }).toEqual({ code: 0, out: 'not logged in\n', err: '' });
    expect((await sm(['logout', '--json'])).json()).toEqual({ loggedOut: false, endpoint: null, workspaceId: '' });
  });
});
