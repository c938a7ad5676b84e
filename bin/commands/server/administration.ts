/** What the commands of `sm server` share: asking the server's store, and tables for people. */
import type { Context, Options } from '../../command.ts';
import { quoteShort, usageError } from '../../arguments.ts';
import { didYouMean } from '../../suggest.ts';
import { escapeLine } from '../../print/escape.ts';
import { writeJson } from '../../print/json.ts';
import { storeOf } from '../../server-options.ts';

export async function administer<Answer>(
  context: Context,
  options: Options,
  operation: string,
  request: Record<string, unknown> = {},
): Promise<Answer> {
  const store = storeOf(context, options);
  const { loadServer } = await import('../../../lib/server/load.ts');
  const news: Promise<void>[] = [];
  const onNewStore = (directory: string) =>
    void news.push(context.stderr.write(`${escapeLine(directory)}: a new store is made here.\n`));
  const answer = await loadServer().administer({ ...store, onNewStore }, operation, request);
  await Promise.all(news);
  return answer as Answer;
}

/** JSON where it is asked for, else the lines that `render` makes; `remark` is talk, so that `$(…)` takes the lines alone. */
export async function show<Answer>(
  context: Context,
  options: Options,
  answer: Answer,
  render: (answer: Answer) => string[],
  remark?: string,
): Promise<number> {
  if (options.isSet('json')) {
    await writeJson(context, answer);
    return 0;
  }
  await context.stdout.write(
    render(answer)
      .map((line) => `${line}\n`)
      .join(''),
  );
  if (remark !== undefined) await context.stderr.write(`    ${remark}\n`);
  return 0;
}

/** Columns as wide as their widest value. */
export function table(rows: (string | null)[][]): string[] {
  const cells = rows.map((row) => row.map((cell) => escapeLine(cell ?? '-')));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

export function timeText(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
}

/** The one argument beside the action, for `revoke`. */
export function requirePrefix(args: readonly string[], full: string): string {
  const [prefix] = args;
  if (prefix !== undefined) return prefix;
  throw usageError(`${full} needs a prefix.`, `"${full.replace('revoke', 'list')}" shows them.`);
}

export function refuseAction(action: string, known: readonly string[], full: string): never {
  throw usageError(
    `${full} has no action ${quoteShort(action)}.`,
    `${didYouMean(action, known)}Its actions are ${known.join(', ')}.`,
  );
}

export function refuseSurplus(args: readonly string[], full: string): void {
  if (args.length > 0) throw usageError(`${full} does not take ${quoteShort(args[0] ?? '')}.`, `See ${full} --help.`);
}
