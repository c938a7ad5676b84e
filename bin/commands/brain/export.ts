/** `sm brain export`: the whole log as JSON lines, page by page, or a project's active entries as Markdown. */
import type { Brain } from '../../../lib/brain/contract.ts';
import type { LoggedChange } from '../../../lib/brain/log-contract.ts';
import { EXPORT_FORMAT, EXPORT_FORMAT_WITHDRAWING } from '../../../lib/brain/export-format.ts';
import { counted } from '../../../lib/core/counted.ts';
import { merge } from '../../../lib/core/merge.ts';
import { quoteShort, usageError } from '../../arguments.ts';
import type { CommandModule, Location, Options } from '../../command.ts';
import { writeOutputFile } from '../../output-file.ts';
import { writeJson } from '../../print/json.ts';
import { renderMarkdown } from '../../print/markdown.ts';
import { withBrain } from '../../session.ts';

const FORMATS = ['jsonl', 'markdown'] as const;
/** Changes read at a time. */
const PAGE_CHANGES = 500;

/** What was written, for the report. */
interface Counts {
  changes: number;
  entries: number;
  bytes: number;
}

type Write = (text: string) => Promise<void>;

export const command: CommandModule = {
  options: [
    {
      flags: '--format <format>',
      summary: 'jsonl (default): everything, for import; markdown: for people',
      values: FORMATS,
    },
    { flags: '--output <file>', summary: 'Write to a file instead of stdout' },
    { flags: '--org', summary: 'Markdown: all projects of the workspace, not only this one' },
  ],
  notes:
    'jsonl holds every version of every entry of every project, one a line, and is what sm brain import reads.\n' +
    'Markdown holds the active entries, by kind. With --output, --json prints what was written.',
  examples: [
    'sm brain export --output brain.jsonl',
    'sm brain export | gzip > brain.jsonl.gz',
    'sm brain export --format markdown > BRAIN.md',
  ],
  async run(context, _args, options) {
    const format = formatOf(options);
    const file = options.text('output');
    if (file === '') throw usageError('--output needs a file name.', 'For example: --output brain.jsonl');
    return withBrain(context, options, async (brain, location) => {
      const produce = (write: Write) =>
        format === 'jsonl' ? exportLines(brain, write) : exportMarkdown(brain, location, options, write);
      if (file === undefined) {
        await produce((text) => context.stdout.write(text));
        return 0;
      }
      const counts = await writeOutputFile(context, file, produce);
      if (options.isSet('json')) await writeJson(context, { file, format, ...counts });
      else
        await context.stderr.write(
          `${counted(counts.changes, 'change')} of ${counted(counts.entries, 'entry', 'entries')} written to ${quoteShort(file)}\n`,
        );
      return 0;
    });
  },
};

function formatOf(options: Options): (typeof FORMATS)[number] {
  const text = options.text('format') ?? 'jsonl';
  const format = FORMATS.find((known) => known === text);
  if (format !== undefined) return format;
  throw usageError(`--format must be jsonl or markdown, but is ${quoteShort(text)}.`, 'For example: --format markdown');
}

async function* readLog(brain: Brain): AsyncGenerator<LoggedChange[]> {
  let afterSeq = 0;
  for (;;) {
    const page = await brain.run('logPage', { afterSeq, limit: PAGE_CHANGES });
    if (page.changes.length > 0) yield page.changes;
    const last = page.changes.at(-1);
    // A page that does not move on would be read for ever.
    if (!page.hasMore || last === undefined || last.seq <= afterSeq) return;
    afterSeq = last.seq;
  }
}

async function exportLines(brain: Brain, write: Write): Promise<Counts> {
  const counts: Counts = { changes: 0, entries: 0, bytes: 0 };
  const entryIds = new Set<string>();
  for await (const changes of readLog(brain)) {
    const text = changes.map(exportLine).join('');
    for (const change of changes) entryIds.add(change.entry.entryId);
    counts.changes += changes.length;
    counts.bytes += Buffer.byteLength(text);
    await write(text);
  }
  return { ...counts, entries: entryIds.size };
}

function exportLine(change: LoggedChange): string {
  const { changeId, base, replicaId, hash, receivedAt, origin, replaces, withdraws, entry } = change;
  const ancestry = {
    ...(replaces.length === 0 ? {} : { replaces }),
    ...(withdraws === null ? {} : { withdraws }),
  };
  // An older version would take a withdrawn version for a current one: it must refuse such a line.
  const stackmemory = withdraws === null ? EXPORT_FORMAT : EXPORT_FORMAT_WITHDRAWING;
  return `${JSON.stringify({ stackmemory, changeId, base, replicaId, hash, receivedAt, origin, ...ancestry, entry })}\n`;
}

/** Entries come from the log, not from a list, for a list has a greatest length. */
async function exportMarkdown(brain: Brain, location: Location, options: Options, write: Write): Promise<Counts> {
  const winners = new Map<string, LoggedChange & { updatedAt: number }>();
  let changes = 0;
  for await (const page of readLog(brain)) {
    for (const change of page) {
      const { entryId, workspaceId, projectId, updatedAt } = change.entry;
      if (workspaceId !== location.workspaceId || (projectId !== location.projectId && !options.isSet('org'))) continue;
      const version = { ...change, updatedAt };
      const current = winners.get(entryId);
      winners.set(entryId, current === undefined ? version : merge(current, version));
      changes += 1;
    }
  }
  const entries = [...winners.values()].map(({ entry }) => entry).filter((entry) => entry.status === 'active');
  const text = renderMarkdown(entries);
  await write(text);
  return { changes, entries: entries.length, bytes: Buffer.byteLength(text) };
}
