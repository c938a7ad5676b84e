/** `sm portal …` as it is built and run: start, in the background too, status, token, share, stop, and what it refuses. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { missingForDisks, mountReadOnly, SmallDisk } from '../support/host-disk.ts';
import { connect, handshakeStatus, scratchDirectory } from '../support/portal.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface World {
  home: string;
  env: Record<string, string>;
}

function createWorld(): World {
  const home = scratchDirectory();
  const env = {
    ...(process.env as Record<string, string>),
    STACKMEMORY_HOME: home,
    TMUX_TMPDIR: scratchDirectory(),
    PS1: 'PROMPT> ',
  };
  onTestFinished(async () => {
    await sm({ home, env }, 'portal', 'stop');
    await promisify(execFile)('tmux', ['kill-server'], { env }).catch(() => undefined);
  });
  return { home, env };
}

async function sm({ env }: World, ...words: string[]): Promise<{ code: number; out: string; talk: string }> {
  try {
    const options = { cwd: root, env };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['dist/sm.cjs', ...words], options);
    return { code: 0, out: stdout, talk: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, talk: stderr };
  }
}

/** In the background, with a shell for an agent. */
async function startDetached(
  world: World,
  ...words: string[]
): Promise<{ url: string; pid: number; problems: string[] }> {
  const agent = ['--command', 'bash', '--', '--norc'];
  const { code, out, talk } = await sm(
    world,
    'portal',
    'start',
    '--detach',
    '--json',
    '--port',
    '0',
    ...words,
    ...agent,
  );
  if (code !== 0) throw new Error(talk);
  const told = JSON.parse(out) as { addresses: string[]; pid: number; problems: string[] };
  const url = told.addresses.find((address) => address.includes('127.0.0.1')) ?? '';
  return { url: url.replace(/\/$/, ''), pid: told.pid, problems: told.problems };
}

test('[P23] [P8] start, status, token, share and stop, with the session alive afterwards', async () => {
  const world = createWorld();
  expect((await sm(world, 'portal', 'status')).out).toContain('not running');
  expect(JSON.parse((await sm(world, 'portal', 'status', '--json')).out)).toEqual({ running: false });
  expect((await sm(world, 'portal', 'share')).code).toBe(5);
  const { url, pid } = await startDetached(world);
  const second = await sm(world, 'portal', 'start', '--port', '0', '--json');
  expect(second.code).toBe(4);
  expect(JSON.parse(second.talk)).toMatchObject({ error: 'exists', message: 'A portal is already running.' });
  const { token, link } = JSON.parse((await sm(world, 'portal', 'token', '--json')).out) as {
    token: string;
    link: string;
  };
  expect(link).toContain(`?token=${token}`);
  expect((await sm(world, 'portal', 'token')).out).toBe(`${token}\n`);
  const client = await connect({ url, token });
  await client.see('PROMPT');
  const status = JSON.parse((await sm(world, 'portal', 'status', '--json')).out) as Record<string, unknown>;
  expect(status).toMatchObject({ running: true, pid, session: 'claude', auth: true, readOnly: false });
  expect(status['viewers']).toMatchObject([{ session: 'claude', peer: '127.0.0.1', login: null, readOnly: false }]);
  expect((await sm(world, 'portal', 'status')).out).toMatch(/session +claude, 1 viewer/);
  const share = JSON.parse((await sm(world, 'portal', 'share', '--expires', '5m', '--json')).out) as { link: string };
  expect((await fetch(share.link.replace('[::1]', '127.0.0.1'))).status).toBe(200);
  const rotated = JSON.parse((await sm(world, 'portal', 'token', '--rotate', '--json')).out) as { token: string };
  expect((await client.whenClosed()).code).toBe(4401);
  expect(await handshakeStatus(url, { Authorization: `Bearer ${token}` })).toBe(401);
  expect(await handshakeStatus(url, { Authorization: `Bearer ${rotated.token}` })).toBeUndefined();
  const files = fs.readdirSync(path.join(world.home, 'portal'));
  for (const name of files)
    expect([name, fs.statSync(path.join(world.home, 'portal', name)).mode & 0o077]).toEqual([name, 0]);
  const logs = files.filter((name) => name.endsWith('.log'));
  for (const name of logs) {
    const text = fs.readFileSync(path.join(world.home, 'portal', name), 'utf8');
    for (const secret of [token, rotated.token, new URL(share.link).searchParams.get('share') ?? '-'])
      expect(text).not.toContain(secret);
  }
  // Who is in the midst of a request is waited for, so that ending takes a while.
  const slow = net.connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
  await once(slow, 'connect');
  slow.write('GET / HTTP/1.1\r\n');
  expect(JSON.parse((await sm(world, 'portal', 'stop', '--json')).out)).toEqual({ stopped: true, pid });
  // Nothing of it is in the way of another one, nor writes to its directory any more.
  expect(fs.readFileSync(path.join(world.home, 'portal/audit.log'), 'utf8')).toMatch(/"event":"stopped"[^\n]*\n$/);
  const again = await startDetached(world);
  expect(JSON.parse((await sm(world, 'portal', 'stop', '--json')).out)).toEqual({ stopped: true, pid: again.pid });
  const sessions = await promisify(execFile)('tmux', ['list-sessions', '-F', '#{session_name}'], { env: world.env });
  expect(sessions.stdout).toBe('claude\n');
  expect(JSON.parse((await sm(world, 'portal', 'stop', '--json')).out)).toEqual({ stopped: false });
});

test('[P8] [P12] [P21] killed without warning and started again, it lets the same browser in, to the same session', async () => {
  const world = createWorld();
  const first = await startDetached(world);
  const token = fs.readFileSync(path.join(world.home, 'portal/token'), 'utf8').trim();
  const cookie = ((await fetch(`${first.url}/?token=${token}`)).headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const client = await connect({ url: first.url, token });
  client.type('MARK=kept\r');
  await client.see('MARK=kept');
  const watchers = async () => {
    const format = '#{client_control_mode} #{client_pid}';
    const { stdout } = await promisify(execFile)('tmux', ['list-clients', '-F', format], { env: world.env });
    return [...stdout.matchAll(/^1 (\d+)$/gm)].map(([, watcher]) => Number(watcher));
  };
  let orphans: number[] = [];
  while ((orphans = await watchers()).length === 0);
  process.kill(first.pid, 'SIGKILL');
  await client.whenClosed();
  while (fs.existsSync(`/proc/${first.pid}`)) await new Promise((resolve) => setImmediate(resolve));
  expect((await sm(world, 'portal', 'status')).out).toContain('not running');
  const second = await startDetached(world);
  expect((await fetch(second.url, { headers: { Cookie: cookie } })).status).toBe(200);
  const back = await connect({ url: second.url, token });
  back.type('echo "<$MARK>"\r');
  await back.see('<kept>');
  // What it watched by was left behind, and is ended by the next one.
  for (let left = await watchers(); left.length !== 1 || orphans.includes(left[0] ?? 0); left = await watchers());
});

test.skipIf(process.getuid?.() !== 0)(
  '[P12] another user of the machine, who can look into the home, gets neither token nor log, nor to the sockets of portal and tmux',
  async () => {
    const world = createWorld();
    fs.chmodSync(world.home, 0o755);
    fs.chmodSync(world.env['TMUX_TMPDIR'] ?? '', 0o755);
    await startDetached(world);
    const directory = path.join(world.home, 'portal');
    const { socket } = JSON.parse(fs.readFileSync(path.join(directory, 'portal.json'), 'utf8')) as { socket: string };
    const tmuxSocket = path.join(world.env['TMUX_TMPDIR'] ?? '', 'tmux-0/default');
    for (const place of [socket, tmuxSocket]) expect(fs.statSync(place).isSocket()).toBe(true);
    const asNobody = async (file: string, ...args: string[]) =>
      promisify(execFile)(file, args, { uid: 65_534, gid: 65_534, cwd: '/', env: { PATH: process.env['PATH'] } }).then(
        () => 'let in',
        (error: unknown) => (error as { stderr: string }).stderr,
      );
    expect(await asNobody('ls', world.home)).toBe('let in');
    for (const name of ['token', 'portal.json', 'audit.log', 'portal.log', 'lock']) {
      expect([name, await asNobody('cat', path.join(directory, name))]).toEqual([
        name,
        expect.stringContaining('denied'),
      ]);
    }
    const knock = "require('net').connect(process.argv[1]).on('connect', () => process.exit(0))";
    expect(await asNobody(process.execPath, '-e', knock, socket)).toContain('EACCES');
    expect(await asNobody(process.execPath, '-e', knock, tmuxSocket)).toContain('EACCES');
  },
);

test('[P12] in the foreground it prints its addresses, and no token where nobody sees it; a signal ends it', async () => {
  const world = createWorld();
  const words = ['portal', 'start', '--port', '0', '--command', 'bash', '--', '--norc'];
  const child = spawn(process.execPath, ['dist/sm.cjs', ...words], { cwd: root, env: world.env });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  expect(line).toMatch(/^listening on http:\/\/127\.0\.0\.1:\d+\/$/);
  expect(said).not.toContain(fs.readFileSync(path.join(world.home, 'portal/token'), 'utf8').trim());
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('[P20] [P17] what cannot be is refused with its remedy', async () => {
  const world = createWorld();
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  onTestFinished(() => void taken.close());
  const port = String((taken.address() as net.AddressInfo).port);
  const refused = async (...words: string[]) => {
    const { code, talk, out } = await sm(world, 'portal', 'start', '--command', 'bash', '--json', ...words);
    expect(out).toBe('');
    return {
      code,
      ...(JSON.parse(talk.trim().split('\n').at(-1) ?? '') as { error: string; message: string; hint: string }),
    };
  };
  expect(await refused('--port', port)).toMatchObject({ code: 4, error: 'exists' });
  expect(await refused('--port', port, '--detach')).toMatchObject({ code: 4, error: 'exists' });
  expect(await refused('--no-auth', '--host', '0.0.0.0')).toMatchObject({ code: 6, error: 'forbidden' });
  expect(await refused('--no-auth', '--host', '192.168.1.1')).toMatchObject({ code: 6, error: 'forbidden' });
  expect(await refused('--host', '192.0.2.1')).toMatchObject({ code: 2, error: 'bad_request' });
  expect(await refused('--session', 'a:b')).toMatchObject({ code: 2, error: 'bad_request' });
  expect(await refused('--port', 'many')).toMatchObject({ code: 2, error: 'bad_request' });
  const blocked = await refused('--port', '6000');
  expect(blocked).toMatchObject({
    code: 2,
    message: expect.stringMatching(/^--port names port 6000, to which no client/),
  });
  expect((await sm(world, 'portal', 'share', '--expires', '8d')).code).toBe(2);
  expect((await sm(world, 'portal', 'start', '--bogus')).code).toBe(2);
});

test('[P20] where node-pty cannot be had the portal says so, and everything else works', async () => {
  const place = scratchDirectory();
  fs.mkdirSync(path.join(place, 'node_modules'));
  fs.symlinkSync(
    path.join(root, 'node_modules/fs-native-extensions'),
    path.join(place, 'node_modules/fs-native-extensions'),
  );
  for (const name of ['sm.cjs', 'command.cjs', 'portal.cjs'])
    fs.copyFileSync(path.join(root, 'dist', name), path.join(place, name));
  const run = promisify(execFile);
  const env = { ...process.env, STACKMEMORY_HOME: path.join(place, 'home') };
  const start = run(process.execPath, [path.join(place, 'sm.cjs'), 'portal', 'start', '--json'], { env });
  const { code, stderr } = await start.then(
    () => ({ code: 0, stderr: '' }),
    (error: unknown) => error as { code: number; stderr: string },
  );
  expect(code).toBe(5);
  expect(JSON.parse(stderr)).toMatchObject({
    error: 'unavailable',
    hint: expect.stringContaining('--omit=optional') as string,
  });
  const status = await run(process.execPath, [path.join(place, 'sm.cjs'), 'portal', 'status'], { env });
  expect(status.stdout).toContain('not running');
  expect((await run(process.execPath, [path.join(place, 'sm.cjs'), 'version'], { env })).stdout).toMatch(/^\d/);
});

test.skipIf(missingForDisks() !== undefined)(
  '[P20] on a full or read-only disk token, start and share say so, leave nothing, and what was before goes on',
  async () => {
    const disk = new SmallDisk(1024 * 1024);
    onTestFinished(() => disk.remove());
    const world = createWorld();
    const onDisk = { ...world, env: { ...world.env, STACKMEMORY_HOME: disk.directory } };
    onTestFinished(async () => void (await sm(onDisk, 'portal', 'stop')));
    const directory = path.join(disk.directory, 'portal');
    const failureOf = async (...words: string[]) => {
      const { code, out, talk } = await sm(onDisk, 'portal', ...words, '--json');
      return [code, out, (JSON.parse(talk) as { error: string }).error];
    };
    const names = () => fs.readdirSync(directory).toSorted();
    disk.fill(0);
    expect(await failureOf('token')).toEqual([7, '', 'disk_full']);
    expect(names()).toEqual([]);
    expect(await failureOf('start', '--port', '0', '--no-tmux', '--command', 'bash')).toEqual([7, '', 'disk_full']);
    expect(names().filter((name) => !['audit.log', 'lock', 'portal.log'].includes(name))).toEqual([]);
    disk.free();
    const { out: token } = await sm(onDisk, 'portal', 'token');
    await startDetached(onDisk, '--no-tmux');
    const before = names();
    disk.fill(0);
    expect(await failureOf('token', '--rotate')).toEqual([7, '', 'disk_full']);
    expect(await failureOf('share')).toEqual([7, '', 'disk_full']);
    expect((await sm(onDisk, 'portal', 'token')).out).toBe(token);
    expect(names()).toEqual(before);
    disk.free();
    await sm(onDisk, 'portal', 'stop');
    const restore = mountReadOnly(directory);
    onTestFinished(restore);
    for (const words of [
      ['token', '--rotate'],
      ['start', '--port', '0'],
      ['start', '--port', '0', '--detach'],
    ])
      expect([words, ...(await failureOf(...words))]).toEqual([words, 7, '', 'no_permission']);
  },
);

test('[P20] [P17] a missing agent is told at the start, and 0.0.0.0 is warned of', async () => {
  const world = createWorld();
  const { out, talk } = await sm(
    world,
    'portal',
    'start',
    '--detach',
    '--port',
    '0',
    '--json',
    '--command',
    'no-such-agent',
  );
  expect((JSON.parse(out) as { problems: string[] }).problems.join()).toContain('"no-such-agent" was not found');
  expect(talk).toContain('--command bash');
  await sm(world, 'portal', 'stop');
  const wide = await sm(world, 'portal', 'start', '--host', '0.0.0.0', '--session', 'a:b');
  expect(wide.talk).toContain('not the tailnet alone');
});
