/** `sm brain resolve`: ends a conflict by a new version that names the ones that lost, so that it ends everywhere. */
import { quoteShort, usageError } from '../../arguments.ts';
import type { CommandModule } from '../../command.ts';
import { writeEntry } from '../../print/entry.ts';
import { withBrain } from '../../session.ts';
import { ALLOW_SECRET_OPTION, allowanceOf, CONTENT_OPTIONS, contentOf } from '../../values.ts';

export const command: CommandModule = {
  options: [
    { flags: '--keep', summary: 'Keep the current version as it is' },
    { flags: '--take <hash>', summary: 'Start from the losing version with this hash (or a unique prefix of it)' },
    {
      flags: '--seen <hash>',
      summary: 'A losing version that you have looked at; may be repeated. If there is another, nothing is written',
      isRepeatable: true,
    },
    ...CONTENT_OPTIONS,
    ALLOW_SECRET_OPTION,
  ],
  notes:
    'Without --take the fields that are named are changed on top of the current version, with it on top of the one that\n' +
    'lost. The versions that lost stay in the history. sm brain conflicts shows them with their hashes; with --seen one\n' +
    'that a sync brings meanwhile is not settled unread.',
  examples: [
    'sm brain resolve 01980c2e-7f3a --keep',
    'sm brain resolve 01980c2e-7f3a --take 9f86d081884c',
    'sm brain resolve 01980c2e-7f3a --keep --seen 9f86d081884c --seen 60303ae22b99',
    'sm brain resolve 01980c2e-7f3a --conclusion "Lock the row first; retries hide the race."',
  ],
  async run(context, [id = ''], options) {
    const take = options.text('take');
    const edit = await contentOf(context, options);
    const seen = options.texts('seen');
    const hasEdit = Object.keys(edit).length > 0;
    if (options.isSet('keep') && (take !== undefined || hasEdit)) {
      throw usageError(
        '--keep leaves the current version as it is, and goes with no other flag.',
        'Leave --keep out to change fields of the current version, or to take the other one.',
      );
    }
    if (!options.isSet('keep') && take === undefined && !hasEdit) {
      throw usageError(
        'resolve needs to know which version holds.',
        'Give --keep for the current version as it is, --take <hash> for the one that lost, or the fields of a merged ' +
          'one, for example --conclusion "…". sm brain conflicts shows both.',
      );
    }
    const unfit = [...(take === undefined ? [] : [take]), ...seen].find((hash) => !/^[0-9a-f]{1,64}$/i.test(hash));
    if (unfit !== undefined) {
      throw usageError(
        `${quoteShort(unfit)} is the hash of no version, nor its beginning.`,
        `sm brain conflicts ${id} shows the versions with their hashes.`,
      );
    }
    return withBrain(context, options, async (brain, location) => {
      const entry = await brain.run('resolve', {
        requestId: context.newId(),
        reference: { workspaceId: location.workspaceId, idOrPrefix: id },
        ...(take === undefined ? {} : { take }),
        ...(hasEdit ? { edit } : {}),
        ...(seen.length > 0 ? { seen: [...seen] } : {}),
        ...allowanceOf(options),
      });
      await writeEntry(context, options, entry);
      return 0;
    });
  },
};
