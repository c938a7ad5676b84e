/** The service worker in a real browser: what it is pushed it shows, unless somebody looks, and a tap leads to the session. */
import type { Browser, CDPSession, Page, Worker } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { HAS_BROWSER, launchBrowser } from '../support/browser.ts';
import { startPortal } from '../support/portal.ts';

/** What the worker was asked for that a browser without a desktop has not: notifications and windows. */
interface Asked {
  /** How often it has looked for pages. */
  looked: number;
  shown: { title: string; body: string; tag: string; icon: string }[];
  opened: string[];
}

let browser: Browser;

/** A page with its worker, which is handed pushes by the browser itself, as by a push service. */
async function withWorker() {
  const portal = await startPortal();
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.goto(`${portal.url}/?token=${portal.token}`);
  const devtools = await context.newCDPSession(page);
  const registered = registrationOf(devtools);
  await devtools.send('ServiceWorker.enable');
  const started = context.waitForEvent('serviceworker');
  await page.evaluate(
    `navigator.serviceWorker.register('/push-worker.js').then(() => navigator.serviceWorker.ready).then(() => true)`,
  );
  const worker = await started;
  await worker.evaluate(`
    self.asked = { looked: 0, shown: [], opened: [] };
    const matchAll = self.clients.matchAll.bind(self.clients);
    self.clients.matchAll = async (options) => {
      const found = await matchAll(options);
      asked.looked += 1;
      return found;
    };
    self.registration.showNotification = async (title, { body, tag, icon }) => asked.shown.push({ title, body, tag, icon });
    self.clients.openWindow = async (address) => asked.opened.push(address);`);
  const registrationId = await registered;
  const push = async (data: unknown): Promise<void> => {
    await devtools.send('ServiceWorker.deliverPushMessage', {
      origin: portal.url,
      registrationId,
      data: JSON.stringify(data),
    });
  };
  return { portal, page, worker, push };
}

function registrationOf(devtools: CDPSession): Promise<string> {
  return new Promise((resolve) => {
    devtools.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const [first] = registrations;
      if (first !== undefined) resolve(first.registrationId);
    });
  });
}

const askedOf = (worker: Worker) => worker.evaluate<Asked>('asked');

async function askedFor(worker: Worker, isThere: (asked: Asked) => boolean): Promise<Asked> {
  for (;;) {
    const asked = await askedOf(worker);
    if (isThere(asked)) return asked;
  }
}

/** What the browser tells the worker when somebody taps on a notification. */
async function tap(worker: Worker, session: string): Promise<boolean> {
  return worker.evaluate<boolean>(`new Promise((resolve) => {
    const event = new ExtendableEvent('notificationclick');
    event.notification = { tag: ${JSON.stringify(session)}, close: () => resolve(true) };
    self.dispatchEvent(event);
  })`);
}

async function goAway(page: Page): Promise<void> {
  await page.goto('about:blank');
}

describe.skipIf(!HAS_BROWSER)('the service worker', () => {
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());

  test('[P27] what is pushed is shown with the session’s name where nobody looks at the page, and only there', async () => {
    const { page, worker, push } = await withWorker();
    await push({ session: 'seen', kind: 'waits', text: 'Overwrite? [y/N]' });
    await askedFor(worker, ({ looked }) => looked > 0);
    await goAway(page);
    await push({ session: 'claude', kind: 'waits', text: 'Delete it all? [y/N]' });
    await push({ session: 'build', kind: 'notice', text: '<b>done</b>' });
    const { shown } = await askedFor(worker, ({ shown: all }) => all.length > 1);
    expect(shown).toEqual([
      { title: 'claude', body: 'waits for an answer: Delete it all? [y/N]', tag: 'claude', icon: '/icon-192.png' },
      { title: 'build', body: '<b>done</b>', tag: 'build', icon: '/icon-192.png' },
    ]);
  });

  test('[P27] a tap leads the page that is open to the session, also on the visit on which pushes were asked for', async () => {
    const { page, worker } = await withWorker();
    await worker.evaluate(`WindowClient.prototype.focus = async function () { return this; }`);
    expect(await tap(worker, 'other')).toBe(true);
    await page.waitForURL('**/#other');
    expect((await askedOf(worker)).opened).toEqual([]);
  });

  test('[P27] a tap opens the page at its session where there is none, whatever its name', async () => {
    const { page, worker } = await withWorker();
    await goAway(page);
    expect(await tap(worker, 'a b#c')).toBe(true);
    expect((await askedFor(worker, ({ opened }) => opened.length > 0)).opened).toEqual(['/#a%20b%23c']);
  });
});
