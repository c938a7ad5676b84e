/**
 * `sm brain record --from`: drafts from a file or stdin. All of the file is parsed and checked before the first batch
 * is sent, so that a slip on line 900 does not leave 899 entries behind; each batch is one transaction.
 */
import { open } from 'node:fs/promises';
import { parseDraft } from '../../../lib/core/entry.ts';
import { SmError } from '../../../lib/core/errors.ts';
import type { Entry } from '../../../lib/core/entry.ts';
import { detectAgent } from '../../agent.ts';
import { usageError } from '../../arguments.ts';
import { batches } from '../../batches.ts';
import type { Context, Options } from '../../command.ts';
import { fileFailure } from '../../files.ts';
import { collect, decodeUtf8, DRAFTS_BYTES_MAX, readStdin } from '../../input.ts';
import { writeJson } from '../../print/json.ts';
import { disclosureLines, doneLine } from '../../print/recorded.ts';
import { createView } from '../../print/view.ts';
import { scopeOf, withBrain } from '../../session.ts';
import { allowanceOf } from '../../values.ts';

/** Flags that say what a file says already. */
const FIELD_FLAGS = [
  'title',
  'summary',
  'conclusion',
  'kind',
  'tags',
  'tag',
  'refs',
  'ref',
  'confidence',
  'id',
] as const;

export async function recordFrom(context: Context, options: Options): Promise<number> {
  refuseFieldFlags(options);
  const file = options.text('from') ?? '-';
  const source = file === '-' ? 'stdin' : file;
  const bytes = file === '-' ? await readStdin(context, 'entries as JSON', DRAFTS_BYTES_MAX) : await readFile(file);
  const { drafts, isSingle } = parseDrafts(decodeUtf8(bytes, source), source);
  const agentFlag = options.text('agent');
  const supersedes = options.text('supersedes');
  if (supersedes !== undefined && drafts.length !== 1) {
    throw usageError(
      `--supersedes needs exactly one entry, but ${source} holds ${drafts.length}.`,
      'Record the entries first, then use sm brain supersede <old> <new>.',
    );
  }
  const recordedAt = context.provenance();
  return withBrain(context, options, async (brain, location) => {
    const provenance = await recordedAt;
    const recorded: Entry[] = [];
    for (const batch of batches(drafts, (draft) => draft.bytes)) {
      const entries = await brain.run('record', {
        requestId: context.newId(),
        scope: scopeOf(location),
        agent: agentFlag ?? detectAgent(context.env, location.configAgent),
        drafts: batch.map((draft) => draft.value),
        provenance,
        ...allowanceOf(options),
        ...(supersedes === undefined ? {} : { supersedes }),
      });
      recorded.push(...entries);
      if (!options.isSet('json')) {
        const view = await createView(context, options, entries.map(({ title }) => title).join(''));
        await context.stdout.write(entries.map((entry) => doneLine(view, 'recorded', entry)).join(''));
        await context.stderr.write(entries.map(disclosureLines).join(''));
      }
      if (context.stderr.isTerminal && drafts.length > entries.length) {
        await context.stderr.write(`${recorded.length} of ${drafts.length} entries recorded\n`);
      }
    }
    if (options.isSet('json')) await writeJson(context, isSingle ? recorded[0] : recorded);
    return 0;
  });
}

/** Refuses flags beside `--from` that would silently lose against the file. */
function refuseFieldFlags(options: Options): void {
  const given = FIELD_FLAGS.find((flag) => options.isSet(flag));
  if (given === undefined) return;
  throw usageError(`--${given} cannot be combined with --from.`, `Put the ${given} into the file.`);
}

interface Draft {
  value: unknown;
  bytes: number;
}

/** One object (over any number of lines), an array of objects, or an object a line. */
function parseDrafts(text: string, source: string): { drafts: Draft[]; isSingle: boolean } {
  const whole = tryJson(text);
  if (whole !== undefined && !Array.isArray(whole.value)) {
    return { drafts: [checked(whole.value, source)], isSingle: true };
  }
  const drafts: Draft[] = [];
  if (whole === undefined) {
    for (const [index, line] of text.split('\n').entries()) {
      if (line.trim() === '') continue;
      const parsed = tryJson(line);
      const place = `${source}, line ${index + 1}`;
      if (parsed === undefined)
        throw usageError(`${place}: not a JSON object.`, 'Nothing was recorded. Correct the line.');
      drafts.push(checked(parsed.value, place));
    }
  } else if (Array.isArray(whole.value)) {
    for (const [index, value] of whole.value.entries()) drafts.push(checked(value, `${source}, item ${index + 1}`));
  }
  if (drafts.length > 0 || Array.isArray(whole?.value)) return { drafts, isSingle: false };
  throw usageError(`There is no entry in ${source}.`, 'Give JSON such as {"title":"…","summary":"…"}.');
}

function checked(value: unknown, place: string): Draft {
  try {
    parseDraft(value);
  } catch (cause) {
    if (!(cause instanceof SmError)) throw cause;
    throw new SmError({
      code: cause.code,
      message: `${place}: ${cause.message}`,
      hint: cause.hint ?? 'Nothing was recorded. Correct the entry and run the command again.',
      ...(cause.details === undefined ? {} : { details: cause.details }),
      cause,
    });
  }
  return { value, bytes: Buffer.byteLength(JSON.stringify(value)) };
}

/** Undefined where `text` is no JSON; the caller says where and what to do. */
function tryJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

async function readFile(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      return await collect(file.createReadStream({ autoClose: false }), path, DRAFTS_BYTES_MAX);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileFailure(error, path, 'read');
  }
}
