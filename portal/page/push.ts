/** Asks the browser and the portal for pushes. Where a browser has none (plain HTTP, iOS outside an installed app) nothing is. */

/** Whether this browser gets pushes now. */
export async function keepPush(isWanted: boolean): Promise<boolean> {
  if (!('serviceWorker' in navigator) || !('PushManager' in window)) return false;
  const known = await navigator.serviceWorker.getRegistration('/');
  const present = (await known?.pushManager.getSubscription()) ?? undefined;
  if (!isWanted) {
    if (present === undefined) return false;
    await post('unsubscribe', { endpoint: present.endpoint });
    await present.unsubscribe();
    return false;
  }
  if (Notification.permission !== 'granted') return false;
  const { publicKey } = (await (await fetch('/api/push/key')).json()) as { publicKey: string };
  const registration = known ?? (await navigator.serviceWorker.register('/push-worker.js'));
  await navigator.serviceWorker.ready;
  const subscription = await subscribe(registration, publicKey, present);
  return post('subscribe', subscription.toJSON());
}

/** Of another key, as after the portal's directory was made anew, it is of no use. */
async function subscribe(
  { pushManager }: ServiceWorkerRegistration,
  publicKey: string,
  present: PushSubscription | undefined,
): Promise<PushSubscription> {
  const key = bytesOf(publicKey);
  const old = present?.options.applicationServerKey;
  if (present !== undefined && old != null && equal(new Uint8Array(old), key)) return present;
  await present?.unsubscribe();
  return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

async function post(what: 'subscribe' | 'unsubscribe', body: unknown): Promise<boolean> {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(`/api/push/${what}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return response.ok && what === 'subscribe';
}

function bytesOf(base64Url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64Url.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
