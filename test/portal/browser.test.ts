/** The page in a real browser on a real tmux: typing, sizes, losing the network, phones, and hostile output. */
import fs from 'node:fs';
import path from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  HAS_BROWSER,
  launchBrowser,
  makeReadable,
  Network,
  screenText,
  seeOnScreen,
  until,
  untilOpen,
} from '../support/browser.ts';
import { scratchDirectory, startPortal, type TestPortal } from '../support/portal.ts';

const PHONE: BrowserContextOptions = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };

let browser: Browser;

interface View {
  portal: TestPortal;
  network: Network;
  page: Page;
  /** Everything that the page said on its console, and every address that it asked for. */
  complaints: string[];
  requested: string[];
}

async function openPage(portal: TestPortal, network: Network, options: BrowserContextOptions = {}, isLoggedIn = true) {
  const context = await browser.newContext({ viewport: { width: 900, height: 600 }, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  const requested: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('request', (request) => requested.push(request.url()));
  await makeReadable(page);
  if (isLoggedIn) {
    await page.goto(`${network.url}/?token=${portal.token}`);
    await untilOpen(page);
    await seeOnScreen(page, 'PROMPT');
  }
  return { page, complaints, requested, context };
}

async function view(options: BrowserContextOptions = {}, portalOptions = {}): Promise<View> {
  const portal = await startPortal(portalOptions);
  const network = await Network.to(portal.port);
  return { portal, network, ...(await openPage(portal, network, options)) };
}

async function run(page: Page, command: string): Promise<void> {
  await page.keyboard.type(`${command}\n`);
}

describe.skipIf(!HAS_BROWSER)('the page', () => {
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());

  test('[P11] [P12] [P19] a token lets in, leaves address and history, and nothing else is asked of any other host', async () => {
    const { page, portal, network, complaints, requested } = await view();
    expect(new URL(page.url()).search).toBe('');
    await run(page, 'echo seen$((6*7))');
    await seeOnScreen(page, 'seen42');
    await page.goBack().catch(() => null);
    expect(page.url()).not.toContain(portal.token);
    expect(requested.filter((address) => !address.startsWith(network.url) && !address.startsWith('data:'))).toEqual([]);
    expect(requested.filter((address) => address.includes(portal.token))).toHaveLength(1);
    expect(complaints).toEqual([]);
  });

  test('[P11] [P20] without a token there is a form, which takes it, and says when it was the wrong one', async () => {
    const portal = await startPortal();
    const network = await Network.to(portal.port);
    const { page } = await openPage(portal, network, {}, false);
    await page.goto(network.url);
    expect(await page.locator('#problem').count()).toBe(0);
    await page.fill('#token', 'wrong');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#problem');
    expect(await page.textContent('#problem')).toContain('sm portal token');
    await page.fill('#token', portal.token);
    await page.keyboard.press('Enter');
    await untilOpen(page);
    await seeOnScreen(page, 'PROMPT');
  });

  test('[P9] the terminal is as large as the window, and tmux with it', async () => {
    const { page, portal } = await view();
    const width = async () => Number(await portal.tmux('display-message', '-p', '-t', '=claude:', '#{window_width}'));
    const before = await width();
    await page.setViewportSize({ width: 500, height: 400 });
    while ((await width()) >= before);
    expect(await width()).toBeGreaterThan(40);
  });

  test('[P6] a paste of 200 kB arrives whole, in order and bracketed', async () => {
    const { page, portal } = await view();
    const file = path.join(scratchDirectory(), 'pasted');
    // In two parts, since the line itself is on the screen while it is typed, and what is pasted then is lost.
    await run(page, `stty raw -echo; printf '\\033[?2004hRA''W'; head -c 200012 > ${file}; stty sane; echo DO""NE`);
    await seeOnScreen(page, 'RAW');
    const text = Array.from({ length: 20_000 }, (_, index) => `${String(index).padStart(9, '0')}\n`).join('');
    await page.evaluate(
      `{ const data = new DataTransfer(); data.setData('text/plain', ${JSON.stringify(text)});
         document.querySelector('.xterm-helper-textarea').dispatchEvent(
           new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })); }`,
    );
    await seeOnScreen(page, 'DONE');
    const pasted = fs.readFileSync(file, 'utf8');
    expect(pasted).toBe(`\u001b[200~${text.replaceAll('\n', '\r')}\u001b[201~`);
    expect(await portal.tmux('list-sessions', '-F', '#{session_name}')).toBe('claude\n');
  });

  test('[P2] [P8] the network goes and comes back, with what was missed', async () => {
    const { page, network, portal } = await view();
    network.cut();
    await page.waitForSelector('#state[data-state="waiting"], #state[data-state="connecting"]');
    await portal.tmux('send-keys', '-t', 'claude', 'for i in $(seq 1 15); do echo missed-$i; done', 'Enter');
    network.restore();
    await untilOpen(page);
    await seeOnScreen(page, 'missed-15');
    const text = await screenText(page);
    for (let line = 1; line <= 15; line += 1) expect(text).toContain(`missed-${line}\n`);
    await run(page, 'echo back$((1+1))');
    await seeOnScreen(page, 'back2');
  });

  test('[P8] the portal is restarted, and the page that was open goes on in the same session', async () => {
    const { page, network, portal } = await view();
    await run(page, 'MARK=kept; echo set$((1+1))');
    await seeOnScreen(page, 'set2');
    await portal.portal.close();
    await page.waitForSelector('#state[data-state="waiting"], #state[data-state="connecting"]');
    const next = await startPortal({ directory: portal.directory, env: portal.env });
    network.port = next.port;
    await untilOpen(page);
    await run(page, 'echo "<$MARK>"');
    await seeOnScreen(page, '<kept>');
  });

  test('[P8] a reload, and a second tab, show the same session', async () => {
    const { page, network, portal } = await view();
    await run(page, 'echo first$((1+1))');
    await seeOnScreen(page, 'first2');
    await page.reload();
    await untilOpen(page);
    await seeOnScreen(page, 'first2');
    const tab = await page.context().newPage();
    await makeReadable(tab);
    await tab.goto(network.url);
    await untilOpen(tab);
    await run(tab, 'echo second$((1+1))');
    await seeOnScreen(page, 'second2');
    expect([...portal.portal.hub.seats]).toHaveLength(2);
  });

  test('[P14] another token leads an open page to the login', async () => {
    const { page, portal } = await view();
    portal.portal.rotate();
    await page.waitForSelector('#token');
  });

  test('[P15] a link to look shows the session and takes no key, and is good once', async () => {
    const { page, portal, network } = await view();
    const { secret } = portal.portal.share('claude', 60_000);
    const visitor = await openPage(portal, network, {}, false);
    await visitor.page.goto(`${network.url}/?share=${secret}`);
    await untilOpen(visitor.page);
    await visitor.page.waitForSelector('#looking:visible');
    expect(visitor.page.url()).not.toContain(secret);
    await visitor.page.keyboard.type('echo intruder\n');
    await run(page, 'echo owner$((1+1))');
    await seeOnScreen(visitor.page, 'owner2');
    expect(await screenText(visitor.page)).not.toContain('intruder');
    const late = await openPage(portal, network, {}, false);
    await late.page.goto(`${network.url}/?share=${secret}`);
    expect(await late.page.textContent('h1')).toContain('has been used');
    expect(await late.page.textContent('main')).toContain('sm portal share');
  });

  test('[P18] what a program prints is text: no markup, no script, no link of another kind, no clipboard', async () => {
    const { page, complaints } = await view({ permissions: ['clipboard-read', 'clipboard-write'] }, { isPlain: true });
    await page.evaluate("navigator.clipboard.writeText('private')");
    await page.evaluate(
      'globalThis.opened = []; globalThis.open = (address) => opened.push(address); globalThis.confirm = () => true',
    );
    await run(page, String.raw`printf '<img src=x onerror="globalThis.hit=1"><script>globalThis.hit=1</script>\n'`);
    await run(
      page,
      String.raw`printf '\033]0;<b>title</b>\007\033]2;%s\007' "$(head -c 100000 /dev/zero | tr '\0' T)"`,
    );
    await run(page, String.raw`printf '\033]52;c;?\007'`);
    await run(page, String.raw`printf '\033]8;;javascript:globalThis.hit=1\033\\EVIL-LINK\033]8;;\033\\\n'`);
    await run(page, String.raw`printf '\033]52;c;%s\007' "$(printf stolen | base64)"; echo al''l`);
    await seeOnScreen(page, '\nall');
    await page.waitForSelector('#copy:visible');
    expect(await page.title()).toMatch(/^T{80} · /);
    const text = await screenText(page);
    expect(text).toContain('<script>globalThis.hit=1</script>');
    expect(text).not.toContain('cHJpdmF0ZQ');
    const line = text.split('\n').findIndex((row) => row.startsWith('EVIL-LINK'));
    const box = await page.locator('.xterm-screen').boundingBox();
    const rows = text.split('\n').length;
    if (box === null || line < 0) throw new Error('the link is not on the screen');
    await page.mouse.move(box.x + 20, box.y + (box.height / rows) * (line + 0.5));
    await page.mouse.click(box.x + 20, box.y + (box.height / rows) * (line + 0.5));
    expect(await page.evaluate('[globalThis.hit, opened.length]')).toEqual([undefined, 0]);
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe('private');
    await page.click('#copy-yes');
    await until(page, "navigator.clipboard.readText().then((text) => text === 'stolen')");
    expect(complaints).toEqual([]);
  });

  test('[P9] a phone that joins, scrolls and touches leaves the size alone, until it types or takes it over', async () => {
    const laptop = await view();
    const width = async () =>
      Number(await laptop.portal.tmux('display-message', '-p', '-t', '=claude:', '#{window_width}'));
    const whole = await width();
    await run(laptop.page, 'seq 1 300');
    await seeOnScreen(laptop.page, '300');
    const phone = await openPage(laptop.portal, laptop.network, PHONE);
    const touch = await phone.context.newCDPSession(phone.page);
    const at = (y: number) => ({ touchPoints: [{ x: 180, y }] });
    await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', ...at(150) });
    for (let y = 160; y <= 450; y += 10) await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', ...at(y) });
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    while ((await laptop.portal.tmux('display', '-p', '-t', '=claude:', '#{pane_in_mode}')) !== '1\n');
    await phone.page.tap('#screen');
    await phone.page.waitForSelector('#take:visible');
    expect(await width()).toBe(whole);
    await laptop.portal.tmux('send-keys', '-t', 'claude', '-X', 'cancel');
    await run(phone.page, 'echo');
    while ((await width()) === whole);
  });

  test('[P8] on a phone: keys that its keyboard lacks, history under a finger, and a size that can be taken over', async () => {
    const laptop = await view();
    const phone = await openPage(laptop.portal, laptop.network, PHONE);
    await run(laptop.page, 'seq 1 300; echo en""d');
    await seeOnScreen(laptop.page, '\nend');
    expect(await phone.page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    await phone.page.tap('#take');
    await phone.page.waitForSelector('#take', { state: 'hidden' });
    await seeOnScreen(phone.page, '300\nend');
    const touch = await phone.context.newCDPSession(phone.page);
    const at = (y: number) => ({ touchPoints: [{ x: 180, y }] });
    await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', ...at(150) });
    for (let y = 160; y <= 450; y += 10) await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', ...at(y) });
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await until(phone.page, "!document.querySelector('.xterm-accessibility-tree').textContent.includes('300')");
    await laptop.portal.tmux('send-keys', '-t', 'claude', '-X', 'cancel');
    await seeOnScreen(phone.page, '300\nend');
    await phone.page.tap('#keys button:text-is("Ctrl")');
    await phone.page.keyboard.type('v');
    await phone.page.tap('#keys button:text-is("Esc")');
    await phone.page.keyboard.type(' | cat -v');
    await seeOnScreen(phone.page, '^[ | cat -v');
    await phone.page.tap('#keys button:text-is("^C")');
    // What is typed before the interrupt has arrived is thrown away with the rest of the line.
    await seeOnScreen(phone.page, '^C\nPROMPT>');
    await run(phone.page, 'cat -v');
    await phone.page.tap('#keys button:text-is("↑")');
    await phone.page.tap('#keys button:text-is("Alt")');
    await phone.page.keyboard.type('x');
    await phone.page.tap('#keys button:text-is("⏎")');
    await seeOnScreen(phone.page, '^[[A^[x');
    await phone.page.setViewportSize({ width: 640, height: 360 });
    await phone.page.tap('#keys button:text-is("^C")');
    await seeOnScreen(phone.page, '^[x\n^C\nPROMPT>');
    await run(phone.page, 'echo turned$((1+1))');
    await seeOnScreen(phone.page, 'turned2');
  });

  test('[P8] on a device of any pixel ratio, and on one that a browser only plays, text is as large as its cell', async () => {
    const { portal, network } = await view();
    for (const deviceScaleFactor of [1, 2, 3]) {
      const { page } = await openPage(portal, network, { ...PHONE, deviceScaleFactor });
      const drawn = `[...document.querySelectorAll('#screen canvas')].filter((each) => each.offsetWidth > 0)
        .every((each) => Math.abs(each.width - each.offsetWidth * devicePixelRatio) <= 2)`;
      await until(page, drawn);
      const touch = await page.context().newCDPSession(page);
      const size = "JSON.parse(localStorage.getItem('portal-settings')).sizePoints";
      const before = await page.evaluate(size);
      const points = (apart: number) => [
        { x: 100, y: 300, id: 0 },
        { x: 100 + apart, y: 300, id: 1 },
      ];
      await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: points(80) });
      await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: points(160) });
      await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
      expect(Number(await page.evaluate(size))).toBe(Number(before) * 2);
      await until(page, drawn);
    }
  });

  test('[P8] search finds what is shown, and keys alone reach everything', async () => {
    const { page } = await view({}, { isPlain: true });
    await run(page, 'for i in 1 2 3; do echo needle; done');
    await seeOnScreen(page, 'needle\nneedle\nneedle');
    await page.keyboard.press('Control+Shift+F');
    await page.keyboard.type('needle');
    await until(page, "/^\\d\\/4$/.test(document.querySelector('#search-count').textContent)");
    await page.keyboard.press('Escape');
    await page.keyboard.press('F6');
    expect(await page.evaluate('document.activeElement.id')).toBe('sessions-button');
  });

  test('[P28] search finds in the session’s history what is no longer shown, and closing it leads back to the end', async () => {
    const { page } = await view();
    await run(page, 'clear; echo nee""dle; seq 1 200; echo en""d');
    await seeOnScreen(page, '200\nend');
    expect(await screenText(page)).not.toContain('needle\n1\n');
    await page.keyboard.press('Control+Shift+F');
    await page.keyboard.type('needle');
    await page.keyboard.press('Enter');
    await seeOnScreen(page, 'needle');
    await until(page, "document.querySelector('#search-count').textContent === 'found'");
    await page.keyboard.press('Escape');
    await seeOnScreen(page, '200\nend');
    await run(page, 'echo on$((1+1))');
    await seeOnScreen(page, 'on2');
  });

  test('[P28] who wakes up sees the screen as it is, and is led to what went by meanwhile', async () => {
    const { page, network, portal } = await view();
    while (portal.portal.watch?.historyOf('claude') === undefined) await page.waitForTimeout(16);
    await run(page, 'echo heard$((1+1))');
    await seeOnScreen(page, 'heard2');
    network.cut();
    await page.waitForSelector('body.stale');
    await portal.tmux('send-keys', '-t', 'claude', 'clear; seq 1 300; echo en""d', 'Enter');
    while ((portal.portal.watch?.historyOf('claude')?.historyLines ?? 0) < 200) await page.waitForTimeout(16);
    network.restore();
    await untilOpen(page);
    await seeOnScreen(page, '300\nend');
    await page.waitForSelector('#missed:visible');
    expect(await page.textContent('#missed')).toMatch(/^↑ 2\d\d lines went by meanwhile$/);
    await page.click('#missed');
    await seeOnScreen(page, '\n3\n4\n5\n');
    await page.click('#missed');
    await seeOnScreen(page, '300\nend');
    expect(await page.isVisible('#missed')).toBe(false);
  });

  test('[P8] sessions are made, switched, renamed and ended from the list', async () => {
    const { page, portal } = await view();
    await page.keyboard.press('Control+Shift+S');
    await page.fill('#sessions-new', 'work');
    await page.keyboard.press('Enter');
    await until(page, "document.querySelector('#session-name').textContent === 'work'");
    await untilOpen(page);
    await page.keyboard.press('Control+Shift+S');
    await page.click('#sessions-list button[aria-label="Rename work"]');
    await page.fill('#ask-field', 'no spaces here');
    await page.keyboard.press('Enter');
    expect(await page.isVisible('#ask')).toBe(true);
    await page.fill('#ask-field', 'renamed');
    await page.keyboard.press('Enter');
    await until(page, "document.querySelector('#session-name').textContent === 'renamed'");
    await page.click('#sessions-list button[aria-label="End claude"]');
    await page.click('#ask button[value="no"]');
    // The list is made anew every few seconds; who is at a button stays there.
    await page.focus('#sessions-list button[aria-label="End claude"]');
    await page.evaluate("document.activeElement.closest('li').dataset.isOld = 'yes'");
    await page.waitForSelector('[data-is-old]', { state: 'detached' });
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe('End claude');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#sessions-list li:has-text("claude")', { state: 'detached' });
    expect(await portal.tmux('list-sessions', '-F', '#{session_name}')).toBe('renamed\n');
    await page.click('#sessions button[aria-label="Close"]');
    await run(page, 'exit');
    await page.waitForSelector('#over:visible');
    expect(await page.textContent('#over-title')).toBe('The session has ended');
    await page.click('#over-button');
    await seeOnScreen(page, 'PROMPT');
  });

  test('[P20] what is missing is said on the page, with the remedy', async () => {
    const portal = await startPortal({ command: ['no-such-agent'] });
    const network = await Network.to(portal.port);
    const { page } = await openPage(portal, network, {}, false);
    await page.goto(`${network.url}/?token=${portal.token}`);
    await page.waitForSelector('#over:visible');
    expect(await page.textContent('#over-title')).toContain('"no-such-agent" was not found');
    expect(await page.textContent('#over-text')).toContain('--command bash');
  });

  test('[P1] without tmux a reload keeps the program, and what it has said', async () => {
    const { page, portal } = await view({}, { isPlain: true });
    await run(page, 'MARK=kept; echo before$((1+1))');
    await seeOnScreen(page, 'before2');
    await page.reload();
    await untilOpen(page);
    await seeOnScreen(page, 'before2');
    await run(page, 'echo "<$MARK>"');
    await seeOnScreen(page, '<kept>');
    expect([...portal.portal.hub.seats]).toHaveLength(1);
  });
});
