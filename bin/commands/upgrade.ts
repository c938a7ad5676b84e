/**
 * `sm upgrade`: whether there is a newer version, and its installation. Brain and sessions stay as they are: the next
 * command has the host of the older version hand over.
 */
import { SmError } from '../../lib/core/errors.ts';
import { compareVersions } from '../../lib/core/version.ts';
import { usageError } from '../arguments.ts';
import type { CommandModule, Context, Installation } from '../command.ts';
import { writeJson } from '../print/json.ts';

export const command: CommandModule = {
  options: [
    { flags: '--check', summary: 'Only say whether there is a newer version' },
    { flags: '--to <version>', summary: 'That version, such as 1.4.0, older ones too' },
  ],
  notes:
    'Nothing is lost by it: requests under way finish, the host of the older version hands the brain over to the newer\n' +
    'with the next command, and a portal is to be started anew (its sessions stay). See docs/PROVISIONING.md.',
  examples: ['sm upgrade --check', 'sm upgrade', 'sm upgrade --to 1.4.0'],
  async run(context, _args, options) {
    const to = options.text('to');
    if (to !== undefined && !/^\d+\.\d+\.\d+(?:-[0-9a-z.-]+)?$/i.test(to)) {
      throw usageError('--to must be a version.', 'For example: --to 1.4.0');
    }
    if (to !== undefined && options.isSet('check')) {
      throw usageError('--to and --check do not go together.', 'Leave one away.');
    }
    const installation = await context.packages.installation();
    const wanted = to ?? (await context.packages.newest());
    const isNewer = compareVersions(wanted, context.version) > 0;
    const isWanted = to === undefined ? isNewer : wanted !== context.version;
    if (isWanted && !options.isSet('check')) {
      const prefix = prefixOf(installation);
      if (context.stderr.isTerminal) await context.stderr.write(`Installing ${wanted} …\n`);
      await context.packages.install(prefix, wanted);
    }
    await tell(context, options.isSet('json'), {
      installed: isWanted && !options.isSet('check') ? wanted : context.version,
      before: context.version,
      newest: to === undefined ? wanted : null,
      isNewest: !isNewer,
    });
    return 0;
  },
};

interface Outcome {
  installed: string;
  before: string;
  newest: string | null;
  isNewest: boolean;
}

async function tell(context: Context, isJson: boolean, outcome: Outcome): Promise<void> {
  if (isJson) return writeJson(context, outcome);
  const { installed, before, newest, isNewest } = outcome;
  if (installed !== before) await context.stdout.write(`${installed} is installed now, in place of ${before}\n`);
  else if (isNewest) await context.stdout.write(`${installed} is the newest version\n`);
  else await context.stdout.write(`${installed} is installed; ${newest} is the newest: sm upgrade\n`);
}

/** @throws SmError `conflict` where npm did not install it globally */
function prefixOf({ kind, directory, prefix }: Installation): string {
  if (prefix !== undefined) return prefix;
  throw new SmError({
    code: 'conflict',
    message: `StackMemory in ${directory} was not installed with npm install --global.`,
    hint:
      kind === 'checkout'
        ? 'Bring the checkout up to date, and run npm start in it.'
        : 'Upgrade it where it was installed: npm install stackmemory@latest',
  });
}
