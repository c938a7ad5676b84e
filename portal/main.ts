/** What the bundle dist/portal.cjs offers to the command line, which loads it only where a portal is wanted. */
export { inspectBox } from './box.ts';
export { qrOf } from './qr.ts';
export { portalStatus, portalToken, sharePortal, start, stopPortal } from './serving.ts';
