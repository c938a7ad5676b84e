/** `sm brain record`: one entry from flags, or many from a file. Says "recorded" only after the brain acknowledged. */
import type { RecordRequest } from '../../../lib/brain/contract.ts';
import { similarTo } from '../../../lib/brain/similar-to.ts';
import { usageError } from '../../arguments.ts';
import { detectAgent } from '../../agent.ts';
import type { CommandModule, Context, Options } from '../../command.ts';
import { writeJson } from '../../print/json.ts';
import { disclosureLines, doneLine, similarLine } from '../../print/recorded.ts';
import { createView } from '../../print/view.ts';
import { scopeOf, withBrain } from '../../session.ts';
import { ALLOW_ECHO_OPTION, ALLOW_SECRET_OPTION, allowanceOf, CONTENT_OPTIONS, contentOf } from '../../values.ts';

export const command: CommandModule = {
  options: [
    ...CONTENT_OPTIONS,
    { flags: '--id <uuid>', summary: 'The id of the new entry (default: a fresh one)' },
    { flags: '--supersedes <id>', summary: 'The entry that this one replaces (id or unique prefix)' },
    ALLOW_SECRET_OPTION,
    ALLOW_ECHO_OPTION,
    { flags: '--from <file>', summary: 'Read entries from a JSON file, or from stdin with "-"' },
  ],
  notes:
    '--from takes one JSON object, an array of them, or one a line. Fields: title, summary, conclusion, kind, agent,\n' +
    'tags, refs, confidence, entryId, createdAt. A file is checked as a whole before anything is written.\n\n' +
    'What looks like a secret is masked before it is stored. Text between <private> and </private> is stored, and the\n' +
    'entry that has it never leaves this machine. What the brain has handed out is refused when it is recorded again.',
  examples: [
    'sm brain record --title "Retries hide the race" --kind insight --conclusion "Lock the row first"',
    'git log -1 --format=%B | sm brain record --title "Why we left Redis" --kind decision --summary -',
    'sm brain record --from findings.jsonl --agent codex --json',
  ],
  async run(context, _args, options) {
    if (options.isSet('from')) {
      const { recordFrom } = await import('./record-from.ts');
      return recordFrom(context, options);
    }
    const draft = await draftOf(context, options);
    const supersedes = options.text('supersedes');
    const recordedAt = context.provenance();
    return withBrain(context, options, async (brain, location) => {
      const request: RecordRequest = {
        requestId: context.newId(),
        scope: scopeOf(location),
        agent: detectAgent(context.env, location.configAgent),
        drafts: [draft],
        provenance: await recordedAt,
        ...allowanceOf(options),
        ...(supersedes === undefined ? {} : { supersedes }),
      };
      const [entry] = await brain.run('record', request);
      if (entry === undefined) throw new Error('The brain acknowledged a record without its entry.');
      if (options.isSet('json')) {
        const similar = await similarTo(brain, entry);
        await writeJson(context, similar.length === 0 ? entry : { ...entry, similar });
        return 0;
      }
      // It is on disk: nobody waits for what may be like it to hear of that.
      const view = await createView(context, options, entry.title);
      await context.stdout.write(doneLine(view, 'recorded', entry));
      await context.stderr.write(disclosureLines(entry));
      for (const each of await similarTo(brain, entry)) await context.stderr.write(similarLine(each, entry));
      return 0;
    });
  },
};

async function draftOf(context: Context, options: Options): Promise<Record<string, unknown>> {
  if (options.text('title') === undefined) {
    throw usageError('record needs --title.', 'For example: sm brain record --title "Retries hide the race"');
  }
  const entryId = options.text('id');
  return { ...(entryId === undefined ? {} : { entryId }), ...(await contentOf(context, options)) };
}
