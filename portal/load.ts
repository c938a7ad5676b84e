/**
 * Loads the portal's bundle into a command. Nothing of it is loaded otherwise, so that everything else works where
 * node-pty cannot be had. Its errors are of the bundle's own class, so they are made anew as the caller's.
 */
import { rethrowAsOurs } from '../lib/core/errors.ts';
import { loadBundle } from '../lib/store/assets.ts';
import type * as Bundle from './main.ts';

export function loadPortal(): typeof Bundle {
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
