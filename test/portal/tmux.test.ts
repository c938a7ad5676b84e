/** Sessions that outlive everything, and strings that must stay strings: the portal over a real tmux. */
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { Absences, linesBetween } from '../../portal/absences.ts';
import { findProgram } from '../../portal/programs.ts';
import { checkName, Tmux } from '../../portal/tmux.ts';
import { isTyped } from '../../portal/typing.ts';
import { connect, PortalClient, scratchDirectory, SHELL, startPortal, type TestPortal } from '../support/portal.ts';

async function sizeOf(portal: TestPortal): Promise<string> {
  return (await portal.tmux('display-message', '-p', '-t', '=claude:', '#{window_width}x#{window_height}')).trim();
}

/** tmux settles sizes by itself: asked again until it has. */
async function untilSize(portal: TestPortal, size: string): Promise<void> {
  while ((await sizeOf(portal)) !== size);
}

test('[P8] a session outlives its viewer and its portal, and is the same session afterwards', async () => {
  const directory = scratchDirectory();
  const first = await startPortal({ directory });
  const client = await connect(first);
  await client.see('PROMPT');
  client.type('MARK=kept; echo "<$MARK>"\r');
  await client.see('<kept>');
  await first.portal.close();
  expect((await client.whenClosed()).code).toBe(1012);
  const second = await startPortal({ directory, env: first.env });
  const back = await connect(second);
  await back.see('<kept>');
  back.type('echo "again <$MARK>"\r');
  await back.see('again <kept>');
});

test('[P6] what is typed before tmux is ready is not lost', async () => {
  const portal = await startPortal();
  for (let round = 0; round < 5; round += 1) {
    const client = await connect(portal);
    client.type(`echo early$((${round}+40))\r`);
    await client.see(`early${round + 40}`);
  }
});

test('[P2] [P8] a viewer that was away gets what it missed, or a whole screen where that is too much', async () => {
  const portal = await startPortal();
  const client = await connect(portal);
  await client.see('PROMPT');
  const { id, key } = await client.hear('attached');
  const { seq } = client;
  client.socket.terminate();
  await portal.tmux('send-keys', '-t', 'claude', 'echo mis$((1))sed', 'Enter');
  const back = await connect(portal, { hello: { resume: { id, key, seq } } });
  expect(await back.hear('attached')).toMatchObject({ mode: 'exact', id, seq });
  await back.see('mis1sed');
  back.socket.terminate();
  const elsewhere = await connect(portal, { hello: { resume: { id, key, seq: 0 } } });
  expect((await elsewhere.hear('attached')).mode).toBe('fresh');
  await elsewhere.see('mis1sed');
});

test('[P9] the first viewer owns the size, who joins leaves it alone, who types has it, and gives it back by leaving', async () => {
  const portal = await startPortal();
  const laptop = await connect(portal, { hello: { columns: 160, rows: 50 } });
  await untilSize(portal, '160x49');
  laptop.type('\r');
  const phone = await connect(portal, { hello: { columns: 50, rows: 30 } });
  await phone.see('PROMPT');
  expect(await sizeOf(portal)).toBe('160x49');
  expect(await phone.until(() => phone.messages.findLast(({ t }) => t === 'size'))).toMatchObject({
    isOwner: false,
    columns: 160,
  });
  phone.send({ t: 'take' });
  await untilSize(portal, '50x29');
  laptop.type('echo\r');
  await untilSize(portal, '160x49');
  phone.type('x');
  await untilSize(portal, '50x29');
  phone.socket.close(1000);
  await untilSize(portal, '160x49');
  const looking = await connect(portal, { hello: { columns: 20, rows: 10, watch: true } });
  await looking.see('claude');
  laptop.send({ t: 'resize', columns: 100, rows: 40 });
  await untilSize(portal, '100x39');
});

test('[P9] what a terminal says by itself is not typed: answers, focus, the mouse and its wheel', () => {
  const reports = [
    '\u001b[?1;2c',
    '\u001b[>0;276;0c',
    '\u001b[0n',
    '\u001b[24;80R',
    '\u001b[?2026;2$y',
    '\u001b[I',
    '\u001b[O',
    '\u001b[<64;10;20M',
    '\u001b[<0;10;20m',
    '\u001b[M !!',
    '\u001bP>|xterm.js(6.0.0)\u001b\\',
    '\u001b]11;rgb:1616/1818/1d1d\u001b\\',
    '\u001b]10;rgb:e8e8/e6e6/e1e1\u0007',
  ];
  for (const report of reports) expect([report, isTyped(Buffer.from(report))]).toEqual([report, false]);
  expect(isTyped(Buffer.from(reports.join('')))).toBe(false);
  for (const keys of [
    'a',
    '\r',
    '\u001b',
    '\u001b[A',
    '\u001bOP',
    '\u001b[1;5C',
    '\u001bx',
    '\u001b[200~pasted\u001b[201~',
    '\u001b[Ia',
  ])
    expect([keys, isTyped(Buffer.from(keys))]).toEqual([keys, true]);
  expect(isTyped(Buffer.from(reports.join('').repeat(100)))).toBe(true);
});

test('[P10] names are letters, digits, "-" and "_"; nothing else reaches tmux', async () => {
  for (const name of ['claude', 'a', '_x-1', 'A'.repeat(64)]) expect(checkName(name)).toBe(name);
  for (const name of ['', '-x', 'a b', 'a:b', 'a.b', '=a', '$(x)', '#{x}', 'a\n', 'é', 'A'.repeat(65)]) {
    expect(() => checkName(name)).toThrow('The name of a session');
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      if (/^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/.test(name)) return;
      expect(() => checkName(name)).toThrow('The name of a session');
    }),
  );
});

test('[P10] a command, its arguments and its directory may hold whatever shells and tmux make something of', async () => {
  const root = scratchDirectory();
  const odd = `a b;'"$(touch ${root}/ran)#(touch ${root}/ran)\`touch ${root}/ran\`#{pid}%H*&|=`.replaceAll('/', '∕');
  const cwd = path.join(root, odd);
  fs.mkdirSync(cwd);
  const program = path.join(cwd, 'agent=; $(x)');
  fs.writeFileSync(program, '#!/bin/sh\nprintf "<%s>" "$PWD" "$@"\nexec cat\n', { mode: 0o755 });
  for (const args of [[], ['one two', ';', 'x;', 'y\\;', '#{session_name}', '$HOME', '-x', '']]) {
    const portal = await startPortal({ command: [program, ...args], cwd });
    // tmux draws at most its width: wide enough for all of it on one line.
    const client = await connect(portal, { hello: { columns: 900, rows: 20 } });
    await client.see('>');
    const shown = (await portal.tmux('capture-pane', '-p', '-J', '-t', 'claude')).trimEnd();
    expect(shown).toBe([cwd, ...args].map((word) => `<${word}>`).join(''));
    expect(fs.readdirSync(root)).toEqual([odd]);
    await portal.tmux('kill-server');
  }
});

test('[P10] a program is found on the path, or by its own path, and only where it can be run', () => {
  const directory = scratchDirectory();
  fs.writeFileSync(path.join(directory, 'agent'), '#!/bin/sh\n', { mode: 0o755 });
  fs.writeFileSync(path.join(directory, 'text'), 'no program');
  expect(findProgram('agent', '/', { PATH: `/nowhere:${directory}` })).toBe(path.join(directory, 'agent'));
  expect(findProgram('./agent', directory, {})).toBe(path.join(directory, 'agent'));
  for (const name of ['text', 'none', './none', '', '.']) {
    expect(() => findProgram(name, directory, { PATH: directory })).toThrow('was not found');
  }
});

test('[P20] tmux missing, a command that ends at once, and a server that is killed are said', async () => {
  const bare = scratchDirectory();
  const without = await startPortal({ env: { PATH: bare } });
  const first = new PortalClient(without.url, { token: without.token });
  await once(first.socket, 'open');
  first.hello();
  expect((await first.hear('problem')).message).toContain('tmux is not installed');
  const brief = await startPortal({ command: ['true'] });
  const second = new PortalClient(brief.url, { token: brief.token });
  await once(second.socket, 'open');
  second.hello();
  const outcome = await second.until(() => second.messages.find(({ t }) => t === 'problem' || t === 'ended'));
  expect(['problem', 'ended']).toContain(outcome.t);
  const killed = await startPortal();
  const third = await connect(killed);
  await third.see('PROMPT');
  await killed.tmux('kill-server');
  expect(await third.hear('ended')).toMatchObject({ reason: 'ended' });
  const again = await connect(killed);
  await again.see('PROMPT');
});

test('[P8] a bell that rang while nobody looked is told with the list, until somebody has looked', async () => {
  const portal = await startPortal();
  const client = await connect(portal);
  await client.see('PROMPT');
  await portal.tmux('new-session', '-d', '-s', 'other', 'sh', '-c', 'printf "\\a"; exec cat');
  const rung = async () =>
    (await portal.portal.hub.list()).filter(({ attention }) => attention?.kind === 'bell').map(({ name }) => name);
  while ((await rung()).length === 0);
  expect(await rung()).toEqual(['other']);
  const looking = await connect(portal, { hello: { session: 'other' } });
  await looking.see('other');
  while ((await rung()).length > 0);
});

test('[P8] a viewer that is detached from tmux itself is told that the session goes on', async () => {
  const portal = await startPortal();
  const client = await connect(portal);
  await client.see('PROMPT');
  await portal.tmux('detach-client', '-s', 'claude');
  expect(await client.hear('ended')).toMatchObject({ reason: 'detached' });
  expect(await portal.tmux('list-sessions', '-F', '#{session_name}')).toBe('claude\n');
});

test('[P8] a session keeps 50,000 lines for who was away, unless its user chose a number; other sessions are as they were', async () => {
  const limits = async (portal: TestPortal, ...sessions: string[]) => [
    (await portal.tmux('show-options', '-gv', 'history-limit')).trim(),
    ...(
      await Promise.all(sessions.map((each) => portal.tmux('display', '-p', '-t', `=${each}:`, '#{history_limit}')))
    ).map((text) => text.trim()),
  ];
  const portal = await startPortal();
  await (await connect(portal)).see('PROMPT');
  await portal.tmux('new-session', '-d', '-s', 'mine', ...SHELL);
  expect(await limits(portal, 'claude', 'mine')).toEqual(['2000', '50000', '2000']);
  for (const chosen of ['100', '50000']) {
    await portal.tmux('set-option', '-g', 'history-limit', chosen);
    const name = `of-${chosen}`;
    await (await connect(portal, { hello: { session: name } })).see('PROMPT');
    expect(await limits(portal, name)).toEqual([chosen, chosen]);
  }
});

test('[P28] who comes back is told how many lines went by, and is taken there and back; who may only look turns nothing', async () => {
  const portal = await startPortal();
  const client = await connect(portal);
  await client.see('PROMPT');
  const linesNow = () => portal.portal.watch?.historyOf('claude')?.historyLines ?? 0;
  // The portal looks now and then; the viewer's next sign of life notes what it saw.
  while (portal.portal.watch?.historyOf('claude') === undefined) await new Promise((resolve) => setImmediate(resolve));
  client.send({ t: 'ping', id: 1 });
  await client.hear('pong');
  const { id, key } = await client.hear('attached');
  client.socket.terminate();
  await portal.tmux('send-keys', '-t', 'claude', 'clear; seq 1 500; echo en""d', 'Enter');
  while (linesNow() < 400) await new Promise((resolve) => setImmediate(resolve));
  const wrong = await connect(portal, { hello: { resume: { id, key: 'x'.repeat(24), seq: 0 } } });
  const back = await connect(portal, { hello: { resume: { id, key, seq: client.seq } } });
  const { lines } = await back.hear('missed');
  expect(lines).toBeGreaterThan(400);
  expect(wrong.messages.some(({ t }) => t === 'missed')).toBe(false);
  const position = async () => (await portal.tmux('display', '-p', '-t', '=claude:', '#{scroll_position}')).trim();
  const shown = async () => (await portal.tmux('display', '-p', '-t', '=claude:', '#{copy_cursor_line}')).trim();
  back.send({ t: 'back', lines });
  while ((await position()) !== String(lines));
  back.send({ t: 'find', text: '', direction: 'newer' });
  while ((await position()) !== '');
  const answer = async (text: string, direction: 'older' | 'newer') => {
    const heard = back.messages.length;
    back.send({ t: 'find', text, direction });
    const found = await back.until(() => back.messages.slice(heard).find((each) => each.t === 'found'));
    return found.t === 'found' && found.isFound;
  };
  expect(await answer('17', 'older')).toBe(true);
  expect(await shown()).toBe('417');
  expect(await answer('17', 'older')).toBe(true);
  expect(await shown()).toBe('317');
  expect(await answer('17', 'newer')).toBe(true);
  expect(await shown()).toBe('417');
  for (const text of ['no such words;', '-x', '#{pid}', '$(id)'])
    expect([text, await answer(text, 'older')]).toEqual([text, false]);
  const { secret } = portal.portal.share('claude', 60_000);
  const cookie = ((await fetch(`${portal.url}/?share=${secret}`)).headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const looking = new PortalClient(portal.url, { headers: { Origin: portal.url, Cookie: cookie } });
  await once(looking.socket, 'open');
  looking.hello();
  await looking.hear('attached');
  looking.send({ t: 'find', text: '17', direction: 'older' });
  expect(await looking.hear('problem')).toMatchObject({ code: 'forbidden' });
});

test('[P28] what was missed is counted in one pane, also where its history was cut', () => {
  const of = (historyLines: number, pane = '%1') => ({ historyLines, pane });
  expect(linesBetween(of(10), of(25))).toBe(15);
  expect(linesBetween(of(50_000), of(45_000))).toBe(45_000);
  expect(linesBetween(of(10), of(25, '%2'))).toBe(0);
  expect(linesBetween(undefined, of(25))).toBe(0);
  const absences = new Absences();
  for (let number = 0; number < 300; number += 1) {
    absences.note({ id: String(number), key: 'k', session: 'claude', history: undefined });
  }
  expect([absences.of('43'), absences.of('44')?.id]).toEqual([undefined, '44']);
});

test('[P8] sessions are listed, made by opening them, renamed and ended; others of the user are among them', async () => {
  const portal = await startPortal();
  const client = await connect(portal);
  await client.see('PROMPT');
  await portal.tmux('new-session', '-d', '-s', 'mine', ...SHELL);
  await portal.tmux('new-session', '-d', '-s', 'not ours', ...SHELL);
  const other = await connect(portal, { hello: { session: 'work' } });
  await other.see('PROMPT');
  const list = async () => {
    const heard = client.messages.length;
    client.send({ t: 'list' });
    const message = await client.until(() => client.messages.slice(heard).find((each) => each.t === 'sessions'));
    return message.t === 'sessions' ? message.sessions.map(({ name, viewers }) => `${name} ${viewers}`) : [];
  };
  expect(await list()).toEqual(['claude 1', 'mine 0', 'work 1']);
  client.send({ t: 'rename', name: 'work', to: 'play' });
  expect(await client.hear('renamed')).toMatchObject({ name: 'work', to: 'play' });
  other.type('echo still$((1+1))\r');
  await other.see('still2');
  client.send({ t: 'rename', name: 'play', to: 'mine' });
  expect((await client.hear('problem')).message).toContain('could not be renamed');
  client.send({ t: 'end', name: 'play' });
  expect(await other.hear('ended')).toMatchObject({ reason: 'ended' });
  expect(await list()).toEqual(['claude 1', 'mine 0']);
});

test('[P3] 50 viewers of one session all see it, and leave nothing of theirs', async () => {
  const portal = await startPortal();
  const clients = await Promise.all(Array.from({ length: 50 }, () => connect(portal)));
  await Promise.all(clients.map((client) => client.see('PROMPT')));
  clients[0]?.type('echo all$((20+22))\r');
  await Promise.all(clients.map((client) => client.see('all42')));
  const pids = [...portal.portal.hub.seats].map(({ attachment }) => attachment.pid);
  for (const client of clients) client.socket.close(1000);
  await Promise.all(clients.map((client) => client.whenClosed()));
  while ([...portal.portal.hub.seats].length > 0 || pids.some((pid) => fs.existsSync(`/proc/${pid}`))) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  // The portal's own, which watches, stays.
  expect(await portal.tmux('list-clients', '-F', '#{client_control_mode}')).toMatch(/^(?:1\n)?$/);
});

test('[P8] a session that is renamed, also without the portal, stays that of all who look at it', async () => {
  const portal = await startPortal();
  const [renaming, other] = [await connect(portal), await connect(portal)];
  await other.see('PROMPT');
  renaming.send({ t: 'rename', name: 'claude', to: 'play' });
  expect(await other.hear('renamed')).toMatchObject({ name: 'claude', to: 'play' });
  await portal.tmux('rename-session', '-t', 'play', 'work');
  for (const client of [renaming, other]) {
    await client.until(() => client.messages.some((said) => said.t === 'renamed' && said.to === 'work'));
  }
  const { id, key } = await other.hear('attached');
  other.socket.terminate();
  const back = await connect(portal, { hello: { session: 'work', resume: { id, key, seq: other.seq } } });
  expect(await back.hear('attached')).toMatchObject({ session: 'work', id, mode: 'exact' });
  expect(await portal.tmux('list-sessions', '-F', '#{session_name}')).toBe('work\n');
});

test('[P20] a tmux that does not answer is said, and not taken for one without sessions', async () => {
  const portal = await startPortal();
  const client = await connect(portal);
  await client.see('PROMPT');
  const pid = Number((await portal.tmux('display-message', '-p', '#{pid}')).trim());
  const hasty = new Tmux(portal.env, true, 300);
  process.kill(pid, 'SIGSTOP');
  try {
    for (const ask of [() => hasty.list(), () => hasty.has('claude'), () => hasty.screen('claude')]) {
      await expect(ask()).rejects.toMatchObject({ code: 'unavailable' });
    }
    const silent = await portal.portal.status();
    expect(silent.sessions).toEqual([]);
    expect(silent.problems.join()).toContain('tmux has not answered');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  const answering = await portal.portal.status();
  expect(answering.sessions.map(({ name }) => name)).toEqual(['claude']);
  expect(answering.problems.join()).not.toContain('tmux');
});
