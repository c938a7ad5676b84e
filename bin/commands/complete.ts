/** `sm complete -- <words>`: answers the scripts of `sm completion`. Knows what the help pages know, and no more. */
import { RootCommand, type Command, type OptionHandler } from '@bomb.sh/tab';
import { flagOf } from '../arguments.ts';
import { captureLog } from '../capture-log.ts';
import { GLOBAL_OPTIONS, SHELLS, type CommandModule, type OptionSpec } from '../command.ts';

export const command: CommandModule = {
  options: [],
  examples: ['sm complete -- brain record --kind ""'],
  async run(context, words, _options) {
    const root = new RootCommand();
    for (const group of context.catalogue) {
      // The library matches word by word, so that the group has to be a command too.
      if (group.name !== '') root.command(group.name, group.summary);
      for (const entry of group.commands) {
        if (entry.isHidden === true) continue;
        const completed = root.command(`${group.name} ${entry.name}`.trim(), entry.summary);
        // Only the command on the line is loaded; of the others the name is enough.
        if (!words.includes(entry.name)) continue;
        const { command: found } = await entry.load();
        for (const option of [...found.options, ...GLOBAL_OPTIONS]) addOption(completed, option);
        if (entry.name === 'completion')
          completed.argument('shell', (complete) => SHELLS.forEach((shell) => complete(shell, '')));
      }
    }
    for (const option of GLOBAL_OPTIONS) addOption(root, option);
    addOption(root, { flags: '-v, --version', summary: 'Print the version' });
    await context.stdout.write(captureLog(() => root.parse([...words])));
    return 0;
  },
};

function addOption(target: Command, spec: OptionSpec): void {
  const { name, spellings, takesValue } = flagOf(spec);
  const alias = spellings.length > 1 ? spellings[0]?.replace(/^-/, '') : undefined;
  if (takesValue) target.option(name, spec.summary, offer(spec.values ?? spec.suggestions ?? []), alias);
  else if (alias === undefined) target.option(name, spec.summary);
  else target.option(name, spec.summary, alias);
}

function offer(values: readonly string[]): OptionHandler {
  return (complete) => {
    for (const value of values) complete(value, '');
  };
}
