/**
 * `sm brain import`: merges the lines of an export, or plain JSON lines. Every good line is imported, whatever the
 * others are like; each bad one is reported with its number. Exit code 4 where any was refused.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { counted } from '../../../lib/core/counted.ts';
import { ERROR_TABLE } from '../../../lib/core/errors.ts';
import { usageError } from '../../arguments.ts';
import type { CommandModule, Context, Options } from '../../command.ts';
import { fileFailure } from '../../files.ts';
import { importLines, type ImportReport, REFUSED_LISTED_MAX } from '../../import-run.ts';
import type { ImportRecord } from '../../importers/records.ts';
import { type SourceName, SOURCES } from '../../importers/sources.ts';
import { escapeLine } from '../../print/escape.ts';
import { writeJson } from '../../print/json.ts';
import { scopeOf, withBrain } from '../../session.ts';
import { ALLOW_SECRET_OPTION, startOf, wordOf } from '../../values.ts';

/** Those that are shown to people. */
const REFUSED_SHOWN_MAX = 20;

export const command: CommandModule = {
  options: [
    { flags: '--source <source>', summary: `Read what another tool keeps: ${SOURCES.join(', ')}`, values: SOURCES },
    { flags: '--since <time>', summary: 'With --source git: commits since then' },
    { flags: '--dry-run', summary: 'With --source: show what would be imported, and import nothing' },
    ALLOW_SECRET_OPTION,
  ],
  notes:
    'Takes what sm brain export wrote, or one JSON object a line with title, summary, conclusion, kind, agent, tags,\n' +
    'refs, confidence, created_at, updated_at, id (all but title or summary may be missing). Importing a file again\n' +
    'changes nothing. Secrets in such lines are masked; an export is taken as it is.\n\n' +
    '--source reads what other tools keep: adr (a folder of decision records, status and successors kept), git (commits\n' +
    'whose messages say why), instructions (CLAUDE.md, AGENTS.md: a note for each section), mcp-memory (the JSON of\n' +
    "MCP's reference memory server), beads (its JSON lines). What has changed there becomes a new version of its entry.",
  examples: [
    'sm brain import brain.jsonl',
    'ssh laptop sm brain export | sm brain import -',
    'sm brain import records.jsonl --json',
    'sm brain import docs/adr --source adr --dry-run',
    'sm brain import --source git --since 1y',
  ],
  async run(context, [named], options) {
    if (options.isSet('dry-run') && !options.isSet('source')) {
      throw usageError('--dry-run goes with --source.', `For example: --source ${SOURCES[0]}`);
    }
    const sourceName = wordOf(options, 'source', SOURCES);
    const file = named ?? defaultPlace(sourceName);
    const records = sourceName === undefined ? undefined : await readRecords(context, options, sourceName, file);
    if (records !== undefined && options.isSet('dry-run')) return showRecords(context, options, records);
    const source = records === undefined ? await openSource(context, file) : sourceOf(context, records);
    try {
      return await withBrain(context, options, async (brain, location) => {
        const report = await importLines(brain, source.chunks, {
          scope: scopeOf(location),
          fallbackTimeMs: source.timeMs,
          origin: `import:${sourceName ?? (file === '-' ? 'stdin' : basename(file))}`,
          allowsSecrets: options.isSet('allow-secret'),
          onRead: async (lines) => {
            if (context.stderr.isTerminal) await context.stderr.write(`${lines} lines read\n`);
          },
        });
        if (options.isSet('json')) await writeJson(context, report);
        else await writeReport(context, report);
        return report.refusedCount === 0 ? 0 : ERROR_TABLE.conflict.exitCode;
      });
    } catch (error) {
      throw fileFailure(error, file, 'read');
    } finally {
      await source.close();
    }
  },
};

async function writeReport(context: Context, report: ImportReport): Promise<void> {
  for (const { line, message } of report.refused.slice(0, REFUSED_SHOWN_MAX)) {
    await context.stderr.write(`line ${line} was refused: ${escapeLine(message)}\n`);
  }
  if (report.refusedCount > REFUSED_SHOWN_MAX) {
    const more = report.refusedCount - REFUSED_SHOWN_MAX;
    await context.stderr.write(`… and ${more} more; --json lists the first ${REFUSED_LISTED_MAX}\n`);
  }
  const { imported, applied, superseded, duplicate, refusedCount, masked } = report;
  if (masked > 0) {
    const entries = counted(masked, 'entry', 'entries');
    await context.stderr.write(`secrets were masked in ${entries}; --allow-secret keeps them, on this machine only\n`);
  }
  await context.stdout.write(
    `imported ${imported} (${applied} current, ${superseded} older than what is here), ` +
      `${duplicate} here already, ${refusedCount} refused\n`,
  );
}

interface Source {
  chunks: AsyncIterable<Uint8Array>;
  /** When the records were written down, at the latest: for those that do not say. */
  timeMs: number;
  close(): Promise<void>;
}

/** Where a source is that is not named. @throws SmError where that is not plain */
function defaultPlace(source: SourceName | undefined): string {
  if (source === 'git') return '.';
  if (source === undefined) {
    throw usageError('sm brain import needs a file.', 'For example: sm brain import brain.jsonl, or - for stdin.');
  }
  throw usageError(
    `--source ${source} needs its file or folder.`,
    'For example: sm brain import docs/adr --source adr',
  );
}

async function readRecords(
  context: Context,
  options: Options,
  source: SourceName,
  place: string,
): Promise<ImportRecord[]> {
  const since = options.text('since');
  const { projectId } = await context.locate();
  const { readSource } = await import('../../importers/read.ts');
  return readSource({
    source,
    place,
    projectId,
    ...(since === undefined ? {} : { sinceMs: startOf(since, context.now(), 'since') }),
    env: context.env,
  });
}

async function showRecords(context: Context, options: Options, records: readonly ImportRecord[]): Promise<number> {
  if (options.isSet('json')) await writeJson(context, { dryRun: true, records });
  else {
    const lines = records.map(({ kind, title }) => `${kind}  ${escapeLine(title)}\n`);
    await context.stdout.write(`${lines.join('')}${records.length} would be imported\n`);
  }
  return 0;
}

function sourceOf(context: Context, records: readonly ImportRecord[]): Source {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const record of records) yield Buffer.from(`${JSON.stringify(record)}\n`);
  }
  return { chunks: chunks(), timeMs: context.now(), close: () => Promise.resolve() };
}

async function openSource(context: Context, file: string): Promise<Source> {
  if (file === '-') {
    if (context.stdin.isTerminal) await context.stderr.write('Reading lines from the terminal; end with Ctrl-D.\n');
    return { chunks: context.stdin.chunks(), timeMs: context.now(), close: () => Promise.resolve() };
  }
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    const stats = await handle.stat();
    const opened = handle;
    return {
      chunks: opened.createReadStream({ autoClose: false }),
      timeMs: Math.max(0, Math.floor(stats.mtimeMs)),
      close: () => opened.close(),
    };
  } catch (error) {
    await handle?.close();
    throw fileFailure(error, file, 'read');
  }
}
