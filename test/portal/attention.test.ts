/** What a session wants: found in its output and on its screen, told to who looks elsewhere, and gone when it was seen. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AlertScanner } from '../../portal/alerts.ts';
import { SessionAttention } from '../../portal/attention.ts';
import { ControlModeReader } from '../../portal/control-mode.ts';
import { connect, startPortal } from '../support/portal.ts';

const BELL = { kind: 'bell', text: '' };
const notice = (text: string) => ({ kind: 'notice', text });
const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

test.each([
  ['a\x07b\x07', [BELL, BELL]],
  ['\x1b]9;Claude waits for you\x07', [notice('Claude waits for you')]],
  ['\x1b]9;übér\x1b\\', [notice('übér')]],
  ['\x1b]777;notify;Title;a body\x1b\\x', [notice('Title: a body')]],
  ['\x1b]777;notify;Title\x07', [notice('Title')]],
  ['\x1b]99;i=1:d=0;Done\x1b\\', [notice('Done')]],
  ['\x1b]9;4;1;50\x07', []],
  ['\x1b]0;a title\x07\x07', [BELL]],
  ['\x1bPtmux;\x1b\x1b]9;wrapped\x07\x1b\\', [notice('wrapped')]],
  ['\x1b]9;two\nlines\u202e\x07', [notice('two lines')]],
  ['\x1b]52;c;?\x07', []],
  [`\x1b]9;${'x'.repeat(10_000)}`, []],
  [`\x1b]0;never ended ${'x'.repeat(3_000)}\x1b]9;next\x07`, [notice('next')]],
])('[P26] %j is for who looks elsewhere: %j', (output, alerts) => {
  expect(new AlertScanner().push(latin1(output))).toEqual(alerts);
});

test('[P26] wherever output is cut, the same is found', () => {
  const part = fc.constantFrom(
    'text ',
    '\x07',
    '\x1b]9;hello\x07',
    '\x1b]777;notify;a;b\x1b\\',
    '\x1b[31m',
    '\x1b]0;t\x07',
    'é',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 8 }), (parts, places) => {
      const output = latin1(parts.join(''));
      const cuts = [0, ...places.map((place) => place % (output.length + 1)), output.length].toSorted((a, b) => a - b);
      const scanner = new AlertScanner();
      const found = cuts.slice(1).flatMap((end, index) => scanner.push(output.slice(cuts[index], end)));
      expect(found).toEqual(new AlertScanner().push(output));
    }),
  );
});

test('[P26] any bytes are scanned, in time that is linear in them', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 500 }),
      (bytes) => void new AlertScanner().push(Buffer.from(bytes).toString('latin1')),
    ),
  );
  const scanner = new AlertScanner();
  for (const unit of ['\x1b]', '\x1bP', '\x1b', '\x1b]9;\x1b']) scanner.push(unit.repeat(200_000));
});

test('[P26] what tmux says in control mode is told apart, wherever it is cut', () => {
  const said = Buffer.from(
    '%begin 1 2 0\n%output %3 a\\007\\033]9;\\134é\\007\n%extended-output %12 5 : b : c\n%pause %12\n%exit\n',
  );
  const expected = [
    { type: 'output', pane: '%3', text: latin1('a\x07\x1b]9;\\é\x07') },
    { type: 'output', pane: '%12', text: 'b : c' },
    { type: 'pause', pane: '%12' },
  ];
  for (let cut = 0; cut <= said.length; cut += 1) {
    const reader = new ControlModeReader();
    expect([...reader.push(said.subarray(0, cut)), ...reader.push(said.subarray(cut))]).toEqual(expected);
  }
});

test.each([
  ['Overwrite? [y/N]', 'Overwrite? [y/N]'],
  [
    '│ Do you want to make this edit?      │\n│ ❯ 1. Yes                 │\n│   2. No                  │\n╰────╯',
    'Do you want to make this edit?',
  ],
  ['Press ENTER to continue', 'Press ENTER to continue'],
  ['[sudo] password for ada: ', '[sudo] password for ada:'],
])('[P26] a screen that ends with %j waits', (screen, text) => {
  const attention = new SessionAttention();
  attention.noteOutput(0);
  expect(attention.isToBeLookedAt(1_000)).toBe(false);
  expect(attention.isToBeLookedAt(10_000)).toBe(true);
  expect(attention.noteScreen(`earlier\n${screen}\n\n\n`, 10_000)).toEqual({ kind: 'waits', text, atMs: 10_000 });
  expect(attention.isToBeLookedAt(99_000)).toBe(false);
  attention.noteOutput(100_000);
  expect(attention.wants).toBeUndefined();
});

test('[P26] silence after long work is told of, after a moment’s work it is not; a bell adds nothing to a notice', () => {
  const attention = new SessionAttention();
  for (let second = 0; second <= 40; second += 1) attention.noteOutput(second * 1_000);
  expect(attention.noteScreen('$ ', 50_000)).toMatchObject({ kind: 'quiet' });
  attention.noteOutput(60_000);
  expect(attention.noteScreen('$ ', 70_000)).toBeUndefined();
  expect(attention.noteAlert({ kind: 'notice', text: 'done' }, 80_000)).toMatchObject({ kind: 'notice' });
  expect(attention.noteAlert({ kind: 'bell', text: '' }, 80_001)).toBeUndefined();
  attention.seen();
  expect(attention.wants).toBeUndefined();
});

test('[P26] a session that said more than was looked through is told of when it falls silent, unless somebody was there', () => {
  const attention = new SessionAttention();
  attention.noteGap(1_000);
  expect(attention.isToBeLookedAt(10_000)).toBe(true);
  expect(attention.noteScreen('$ ', 10_000)).toMatchObject({ kind: 'quiet' });
  attention.seen();
  attention.noteGap(20_000);
  attention.seen();
  expect(attention.noteScreen('$ ', 40_000)).toBeUndefined();
  attention.noteGap(50_000);
  attention.noteAlert({ kind: 'bell', text: '' }, 50_001);
  expect(attention.noteScreen('$ ', 60_000)).toBeUndefined();
  expect(attention.wants).toMatchObject({ kind: 'bell' });
  attention.seen();
  attention.noteOutput(70_000);
  expect(attention.noteScreen('$ ', 80_000)).toBeUndefined();
});

test('[P26] a ring in the midst of a flood that is too much to look through does not go unnoticed', async () => {
  const portal = await startPortal({ quietMs: 300 });
  const client = await connect(portal);
  await client.see('PROMPT');
  await portal.tmux('new-session', '-d', '-s', 'flood', 'bash', '--norc', '--noprofile');
  while (!(await portal.tmux('list-clients', '-F', '#{client_control_mode} #{session_name}')).includes('1 flood'));
  const script = String.raw`seq 1 500000; printf '\a'; seq 1 500000`;
  await portal.tmux('send-keys', '-t', '=flood:', script, 'Enter');
  const { session, attention } = await client.hear('attention');
  expect(session).toBe('flood');
  expect(['bell', 'quiet']).toContain(attention.kind);
}, 60_000);

test('[P26] a session that nobody looks at is heard, its viewers elsewhere are told, and typing in it is an answer', async () => {
  const portal = await startPortal({ quietMs: 300 });
  const client = await connect(portal);
  await client.see('PROMPT');
  await portal.tmux('new-session', '-d', '-s', 'other', 'bash', '--norc', '--noprofile');
  // The portal finds sessions that others have made by looking now and then.
  while (!(await portal.tmux('list-clients', '-F', '#{client_control_mode} #{session_name}')).includes('1 other'));
  const wants = async (name: string) => (await portal.portal.hub.list()).find((each) => each.name === name)?.attention;
  await portal.tmux('send-keys', '-t', '=other:', String.raw`printf '\033]9;Tests are green\007'`, 'Enter');
  expect(await client.hear('attention')).toMatchObject({
    session: 'other',
    attention: { kind: 'notice', text: 'Tests are green' },
  });
  expect(await wants('other')).toMatchObject({ kind: 'notice' });
  const there = await connect(portal, { hello: { session: 'other' } });
  await there.see('green');
  expect(await wants('other')).toBeUndefined();
  there.type(`read -p 'Delete it all? [y/N] ' answer\r`);
  const waiting = await client.until(() =>
    client.messages.find((each) => each.t === 'attention' && each.attention.kind === 'waits'),
  );
  expect(waiting).toMatchObject({ session: 'other', attention: { text: 'Delete it all? [y/N]' } });
  there.type('n\r');
  while ((await wants('other')) !== undefined);
});

test('[P26] a flood costs little memory, and what rings after it is heard', async () => {
  const portal = await startPortal();
  const client = await connect(portal);
  await client.see('PROMPT');
  const rss = (): number => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
  await portal.tmux('new-session', '-d', '-s', 'flood', 'bash', '--norc', '--noprofile');
  while (!(await portal.tmux('list-clients', '-F', '#{client_control_mode} #{session_name}')).includes('1 flood'));
  const before = rss();
  await portal.tmux(
    'send-keys',
    '-t',
    '=flood:',
    // Again and again: a machine that is busy elsewhere may still be behind when it rings first.
    String.raw`seq 1 1500000; while sleep 2; do printf '\033]9;over\007'; done`,
    'Enter',
  );
  expect(await client.hear('attention')).toMatchObject({ session: 'flood', attention: { text: 'over' } });
  expect(rss() - before).toBeLessThan(100);
}, 60_000);
