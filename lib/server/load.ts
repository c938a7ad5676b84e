/**
 * Loads the server's bundle, which is large, into a command. Nothing of it is loaded otherwise. Its errors are of the
 * bundle's own class, so they are made anew as the caller's.
 */
import { rethrowAsOurs } from '../core/errors.ts';
import { loadBundle } from '../store/assets.ts';
import type * as Server from './main.ts';

export function loadServer(): typeof Server {
  const server = loadBundle('server.cjs') as typeof Server;
  return {
    serve: (...values) => server.serve(...values).catch(rethrowAsOurs),
    administer: (...values) => server.administer(...values).catch(rethrowAsOurs),
  };
}
