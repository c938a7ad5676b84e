/**
 * Starting a host when many want one at once: one caller starts it, under a lock of the kernel, the others wait for
 * it. Loaded only where no host answers.
 */
import { HOST_IDLE_MS_DEFAULT, startHost } from './host-process.ts';
import { tryTakeLock } from './lock.ts';
import { type BrainPlaces, type HostInfo, readHostInfo } from './places.ts';

/**
 * Starts a host unless somebody else is doing so, or has done so since the caller looked.
 * @param triedInfo the address at which the caller found nobody
 * @returns true where there is a host to look for now, false where another caller is at it
 * @throws SmError what keeps the host from starting
 */
export async function startHostOnce(
  places: BrainPlaces,
  triedInfo: HostInfo | undefined,
  options: { hostIdleMs?: number; onProgress?: (message: string) => void },
): Promise<boolean> {
  const lock = tryTakeLock(places.startLockFile, { pid: process.pid, kind: 'starter' });
  if (lock === undefined) return false;
  try {
    const info = readHostInfo(places);
    if (info !== undefined && info.secret !== triedInfo?.secret) return true;
    options.onProgress?.('Starting the brain host …');
    await startHost(places.directory, options.hostIdleMs ?? HOST_IDLE_MS_DEFAULT);
    return true;
  } finally {
    lock.release();
  }
}
