/** The service worker: shows what is pushed, unless the page is being looked at, and leads to the session. */
import type { Attention } from '../protocol.ts';
import { WANTS } from '../wants.ts';

const worker = self as unknown as ServiceWorkerGlobalScope;

type Pushed = Pick<Attention, 'kind' | 'text'> & { session: string };

// The page that asked for pushes is the worker's from then on, and not only when it is loaded the next time.
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener('push', (event) => event.waitUntil(show(event.data?.json() as Pushed)));
worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.tag));
});

async function show({ session, kind, text }: Pushed): Promise<void> {
  const pages = await pagesOf();
  if (pages.some(({ visibilityState }) => visibilityState === 'visible')) return;
  const body = [kind === 'notice' ? '' : WANTS[kind], text].filter((part) => part !== '').join(': ');
  await worker.registration.showNotification(session, { body, tag: session, icon: '/icon-192.png' });
}

function pagesOf(): Promise<readonly WindowClient[]> {
  return worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
}

async function open(session: string): Promise<void> {
  const address = `/#${encodeURIComponent(session)}`;
  for (const page of await pagesOf()) {
    try {
      await page.focus();
    } catch {
      continue; // It is on its way out.
    }
    await page.navigate(address).catch(() => undefined);
    return;
  }
  await worker.clients.openWindow(address);
}
