/** The brain's page in a real browser on a real brain: finding, reading, changing, and what comes in meanwhile. */
import { randomUUID } from 'node:crypto';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Brain } from '../../lib/brain/contract.ts';
import type { EntryDraft } from '../../lib/core/entry.ts';
import { openOwnedBrain } from '../../lib/host/owned-brain.ts';
import { HAS_BROWSER, launchBrowser, until } from '../support/browser.ts';
import { startPortal, type TestPortal } from '../support/portal.ts';
import { makeDirectory, removeDirectory } from '../support/stores.ts';

const HOSTILE = '<img src=x onerror="window.isOwned=1"><script>window.isOwned=1</script>';

describe.skipIf(!HAS_BROWSER)('the brain’s page', () => {
  let browser: Browser;
  let directory: string;
  let brain: Brain;
  let projectId: string;
  beforeAll(async () => {
    browser = await launchBrowser();
    directory = makeDirectory();
    brain = await openOwnedBrain({ brainDirectory: directory });
  });
  afterAll(async () => {
    await browser.close();
    await brain.close();
    removeDirectory(directory);
  });
  beforeEach(() => {
    projectId = randomUUID();
  });

  async function record(...drafts: EntryDraft[]): Promise<string[]> {
    const scope = { workspaceId: '', projectId };
    const entries = await brain.run('record', { requestId: randomUUID(), scope, agent: 'claude', drafts });
    return entries.map(({ entryId }) => entryId);
  }

  async function open(
    options: BrowserContextOptions = {},
    path = '/brain',
  ): Promise<{ page: Page; portal: TestPortal; complaints: string[] }> {
    const place = { workspaceId: '', projectId, project: 'acme/app' };
    const portal = await startPortal({
      isPlain: true,
      brain: {
        locate: () => Promise.resolve(place),
        connect: () => Promise.resolve({ run: brain.run.bind(brain), close: () => Promise.resolve() }),
      },
    });
    const context = await browser.newContext({ viewport: { width: 1000, height: 700 }, ...options });
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(`${portal.url}/?token=${portal.token}`);
    await page.waitForURL(`${portal.url}/`);
    await page.goto(portal.url + path);
    await page.waitForSelector('#state[data-state="open"]');
    return { page, portal, complaints };
  }

  const titles = (page: Page): Promise<string[]> => page.locator('#hits .title').allTextContents();
  const count = (page: Page, number: number): Promise<void> =>
    until(page, `document.querySelectorAll('#hits li').length === ${number}`);

  test('[P25] one finds while one types, reads an entry with its history, and comes back to it by its address', async () => {
    const [id = ''] = await record(
      {
        title: 'Quokka habitat',
        conclusion: 'They live on\nRottnest.',
        tags: ['fauna'],
        refs: ['https://example.org/q'],
      },
      { title: 'Vacuum nightly', kind: 'decision' },
    );
    await brain.run('edit', {
      requestId: randomUUID(),
      reference: { workspaceId: '', idOrPrefix: id },
      edit: { summary: 'Seen.' },
    });
    const { page, complaints } = await open();
    await count(page, 2);
    await page.locator('#q').pressSequentially('quok', { delay: 5 });
    await count(page, 1);
    expect(page.url()).toContain('?q=quok');
    await page.click('#hits .title');
    await page.waitForSelector('#entry:not([hidden])');
    const text = await page.locator('#entry').innerText();
    for (const part of ['They live on\nRottnest.', 'Seen.', '#fauna', 'History (2 versions)', id])
      expect(text).toContain(part);
    expect(await page.locator('#entry a[href="https://example.org/q"]').getAttribute('rel')).toContain('noopener');
    await page.reload();
    await page.waitForSelector('#entry:not([hidden])');
    expect(await page.inputValue('#q')).toBe('quok');
    await page.keyboard.press('Escape');
    expect(await page.locator('#entry').isHidden()).toBe(true);
    await page.fill('#q', 'nothing of the kind xyzzy');
    await until(page, `document.getElementById('found').textContent.startsWith('Nothing relevant')`);
    await page.fill('#q', '');
    await page.selectOption('#kind', 'decision');
    await count(page, 1);
    expect(await titles(page)).toEqual(['Vacuum nightly']);
    expect(complaints).toEqual([]);
  });

  test('[P25] supersede and retract ask first, and are done', async () => {
    const [, old = ''] = await record({ title: 'New way' }, { title: 'Old way' }, { title: 'Wrong' });
    const { page } = await open();
    await page.click('text=Old way');
    await page.click('text=Supersede …');
    await page.fill('#supersede-q', 'new way');
    await until(page, `document.querySelectorAll('#supersede-hits li').length === 1`);
    await page.click('#supersede-hits .title');
    await until(page, `document.querySelector('#entry .state')?.textContent === 'superseded'`);
    await count(page, 2);
    expect(await brain.run('show', { workspaceId: '', idOrPrefix: old })).toMatchObject({ status: 'superseded' });
    await page.click('text=Wrong');
    await page.click('text=Retract …');
    await page.click('#retract >> text=Cancel');
    expect(await page.locator('#entry .state').count()).toBe(0);
    await page.click('text=Retract …');
    await page.click('#retract-yes');
    await until(page, `document.querySelector('#entry .state')?.textContent === 'retracted'`);
    await count(page, 1);
  });

  test('[P25] what comes in is there by itself, or told of where one searches', async () => {
    await record({ title: 'First' });
    const { page } = await open();
    await count(page, 1);
    // The first look at the log says where it begins.
    await until(page, `document.getElementById('counts').textContent.includes('1 entry')`);
    for (let tries = 0; (await titles(page)).every((title) => !title.startsWith('News')); tries += 1) {
      await record({ title: `News ${tries}` });
      await until(page, `new Promise((done) => setTimeout(done, 250)).then(() => true)`);
    }
    await page.fill('#q', 'first');
    await count(page, 1);
    await record({ title: 'First, again' });
    await page.click('#news:not([hidden])');
    await count(page, 2);
  });

  test('[P18] what agents recorded is text: no markup, no script, no link of another kind', async () => {
    await record({
      title: HOSTILE,
      conclusion: HOSTILE,
      summary: HOSTILE,
      tags: [HOSTILE],
      refs: [HOSTILE, 'javascript:window.isOwned=1'],
    });
    const { page, complaints } = await open();
    await page.click('#hits .title');
    await page.waitForSelector('#entry:not([hidden])');
    expect(await page.locator('#entry h1').innerText()).toBe(HOSTILE);
    expect(await page.locator('main img, main script, a[href^="javascript"]').count()).toBe(0);
    expect(await page.evaluate('window.isOwned')).toBeUndefined();
    expect(complaints).toEqual([]);
  });

  test('[P25] on a phone nothing is wider than the screen, and an entry takes the place of the list', async () => {
    await record({
      title: `Long ${'word'.repeat(60)}`,
      conclusion: 'x'.repeat(400),
      refs: [`https://example.org/${'y'.repeat(300)}`],
    });
    const { page } = await open({ viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true });
    const isWithin = 'document.documentElement.scrollWidth <= 360 && document.querySelector("main").scrollWidth <= 360';
    await count(page, 1);
    expect(await page.evaluate(isWithin)).toBe(true);
    await page.tap('#hits .title');
    await page.waitForSelector('#entry:not([hidden])');
    expect(await page.locator('#find').isHidden()).toBe(true);
    expect(await page.evaluate(isWithin)).toBe(true);
    await page.tap('text=‹ back');
    expect(await page.locator('#find').isVisible()).toBe(true);
  });
});
