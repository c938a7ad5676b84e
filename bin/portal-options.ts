/** What all commands of `sm portal` share: where the portal's directory is. */
import { homedir } from 'node:os';
import path from 'node:path';
import { brainPaths } from '../lib/scope/paths.ts';
import type { Context } from './command.ts';

export const SESSION_DEFAULT = 'claude';

export function portalDirectory(context: Pick<Context, 'env'>): string {
  return path.join(brainPaths(context.env, homedir).home, 'portal');
}
