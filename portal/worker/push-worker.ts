/** The service worker: shows what is pushed, unless the page is being looked at, and leads to the session. */
import type { Attention } from '../protocol.ts';
import { WANTS } from '../wants.ts';

const worker = self as unknown as ServiceWorkerGlobalScope;

type Pushed = Pick<Attention, 'kind' | 'text'> & { session: string };

worker.addEventListener('push', (event) => event.waitUntil(show(event.data?.json() as Pushed)));
worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.tag));
});

async function show({ session, kind, text }: Pushed): Promise<void> {
  const pages = await worker.clients.matchAll({ type: 'window' });
  if (pages.some(({ visibilityState }) => visibilityState === 'visible')) return;
  const body = [kind === 'notice' ? '' : WANTS[kind], text].filter((part) => part !== '').join(': ');
  await worker.registration.showNotification(session, { body, tag: session, icon: '/icon-192.png' });
}

async function open(session: string): Promise<void> {
  const address = `/#${encodeURIComponent(session)}`;
  const [page] = await worker.clients.matchAll({ type: 'window' });
  if (page === undefined) return void (await worker.clients.openWindow(address));
  await page.focus();
  await page.navigate(address).catch(() => undefined); // A page that the worker does not control stays where it is.
}
