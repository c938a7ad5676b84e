/** The machine's view: one JSON value on stdout, on one line where it is piped, indented on a terminal. */
import type { Context } from '../command.ts';
import { escapeJson } from './escape.ts';

export async function writeJson(context: Context, value: unknown): Promise<void> {
  await context.stdout.write(`${escapeJson(JSON.stringify(value, null, context.stdout.isTerminal ? 2 : 0))}\n`);
}
