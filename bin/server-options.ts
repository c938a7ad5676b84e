/** The flags that say which server's store a command is about, and what they mean. */
import { homedir } from 'node:os';
import path from 'node:path';
import { usageError } from './arguments.ts';
import type { Context, Options, OptionSpec } from './command.ts';

export const STORE_OPTIONS: readonly OptionSpec[] = [
  { flags: '--data <directory>', summary: 'Where the embedded store is (default ~/.stackmemory/server)' },
  {
    flags: '--database-url <url>',
    summary: 'A PostgreSQL instead; several servers may share it (default: DATABASE_URL)',
  },
];

export function storeOf(context: Context, options: Options): { dataDirectory: string; databaseUrl?: string } {
  const data = options.text('data');
  const databaseUrl = options.text('database-url');
  if (data !== undefined && databaseUrl !== undefined) {
    throw usageError('--data and --database-url exclude each other.', 'Give the one that the server uses.');
  }
  const home = context.env['STACKMEMORY_HOME'] || path.join(homedir(), '.stackmemory');
  // A directory that is named is meant, whatever the environment has.
  const fromEnvironment = data === undefined ? context.env['DATABASE_URL'] || undefined : undefined;
  const chosen = databaseUrl ?? fromEnvironment;
  return {
    dataDirectory: path.resolve(data ?? path.join(home, 'server')),
    ...(chosen === undefined ? {} : { databaseUrl: chosen }),
  };
}
