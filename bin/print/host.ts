/** The host's state in one line. */
import type { HostStatus } from '../command.ts';
import { showBytes } from './time.ts';

export function hostLine(host: HostStatus): string {
  if (!host.running) return 'not running; it starts with the next command';
  return `running, pid ${host.pid}, version ${host.version}, ${showBytes(host.rssBytes)}`;
}
