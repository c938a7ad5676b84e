/** A real browser on a portal, by way of a proxy that can lose the network. */
import net from 'node:net';
import { once } from 'node:events';
import chromium from '@sparticuz/chromium';
import { type Browser, chromium as playwright, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

/** The browser is a Linux binary for x64. */
export const HAS_BROWSER = process.platform === 'linux' && process.arch === 'x64';

export async function launchBrowser(): Promise<Browser> {
  // Not the package's own flags: in its single process the end of one context is the end of all.
  const args = ['--no-sandbox', '--disable-dev-shm-usage'];
  return playwright.launch({ executablePath: await chromium.executablePath(), args, headless: true });
}

/** Stands between browser and portal. */
export class Network {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  /** Where it leads; the portal's port after a restart is another. */
  port: number;
  #isCut = false;

  private constructor(server: net.Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (socket) => this.#join(socket));
  }

  static async to(port: number): Promise<Network> {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const network = new Network(server, port);
    onTestFinished(() => {
      network.cut();
      server.close();
    });
    return network;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  /** Nothing gets through, and what is under way is lost. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  restore(): void {
    this.#isCut = false;
  }

  #join(socket: net.Socket): void {
    socket.on('error', () => undefined);
    if (this.#isCut) return void socket.destroy();
    const onward = net.connect(this.port, '127.0.0.1');
    onward.on('error', () => undefined);
    for (const each of [socket, onward]) {
      this.#sockets.add(each);
      each.once('close', () => {
        this.#sockets.delete(each);
        (each === socket ? onward : socket).destroy();
      });
    }
    socket.pipe(onward).pipe(socket);
  }
}

/** Settings that put the terminal's text into the document, where a test can read it. */
export async function makeReadable(page: Page): Promise<void> {
  await page.addInitScript(`
    if (location.protocol === 'http:') localStorage.setItem('portal-settings', JSON.stringify({
      ...JSON.parse(localStorage.getItem('portal-settings') ?? '{}'), isForReaders: true,
    }))`);
}

const ROWS = '.xterm-accessibility-tree';

/** The screen's lines, as a screen reader has them. */
export async function screenText(page: Page): Promise<string> {
  const rows = await page.locator(`${ROWS} > div`).allTextContents();
  return rows.map((row) => row.replaceAll('\u00a0', ' ').trimEnd()).join('\n');
}

export async function seeOnScreen(page: Page, text: string): Promise<void> {
  const shown = `[...document.querySelectorAll('${ROWS} > div')].map((row) => row.textContent.replaceAll('\\u00a0', ' ').trimEnd())`;
  await until(page, `${shown}.join('\\n').includes(${JSON.stringify(text)})`);
}

/** Asks the page, once a frame, until the expression holds. (The page's policy keeps playwright from doing so itself.) */
export async function until(page: Page, expression: string): Promise<void> {
  const ask = `new Promise((resolve) => setTimeout(resolve, ${FRAME_MS})).then(() => ${expression}).then(Boolean)`;
  for (;;) {
    try {
      if (await page.evaluate(ask)) return;
    } catch (error) {
      if (!/context was destroyed/.test(String(error))) throw error; // It is being loaded anew.
    }
  }
}

const FRAME_MS = 16;

export async function untilOpen(page: Page): Promise<void> {
  await page.waitForSelector('#state[data-state="open"]');
}
