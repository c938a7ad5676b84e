/**
 * Loads the portal's bundle into a command. Nothing of it is loaded otherwise, so that everything else works where
 * node-pty cannot be had. Its errors are of the bundle's own class, so they are made anew as the caller's.
 */
import { setFlagsFromString } from 'node:v8';
import { rethrowAsOurs } from '../lib/core/errors.ts';
import { loadBundle } from '../lib/store/assets.ts';
import type * as Bundle from './main.ts';

/**
 * V8's young generation stays at its first size (1 MiB): all that a portal makes in a flood is garbage a moment later, and
 * letting it grow to 16 MiB each way makes a flood cost 15 MiB instead of 7, at the same speed. Told before the bundle is
 * read, which grows it already.
 */
const SMALL_YOUNG_GENERATION = '--semi-space-growth-factor=1';

export function loadPortal(): typeof Bundle {
  setFlagsFromString(SMALL_YOUNG_GENERATION);
  const portal = loadBundle('portal.cjs') as typeof Bundle;
  return {
    start: (...values) => portal.start(...values).catch(rethrowAsOurs),
    portalStatus: (...values) => portal.portalStatus(...values).catch(rethrowAsOurs),
    stopPortal: (...values) => portal.stopPortal(...values).catch(rethrowAsOurs),
    portalToken: (...values) => portal.portalToken(...values).catch(rethrowAsOurs),
    sharePortal: (...values) => portal.sharePortal(...values).catch(rethrowAsOurs),
    inspectBox: (...values) => portal.inspectBox(...values).catch(rethrowAsOurs),
    qrOf: portal.qrOf,
  };
}
