/** Questions to the table of commands. Apart from the table itself, which loads the commands that ask them. */
import type { CommandEntry, CommandGroup } from './command.ts';

export function namedGroups(catalogue: readonly CommandGroup[]): CommandGroup[] {
  return catalogue.filter((group) => group.name !== '');
}

/** The commands without a group. */
export function topLevel(catalogue: readonly CommandGroup[]): CommandGroup {
  return catalogue.find((group) => group.name === '') ?? { name: '', summary: '', commands: [] };
}

export function visibleCommands(group: CommandGroup): CommandEntry[] {
  return group.commands.filter((command) => command.isHidden !== true);
}

/** The command as one types it: `sm brain record`. */
export function commandPath(group: CommandGroup, entry: CommandEntry): string {
  return ['sm', group.name, entry.name].filter((word) => word !== '').join(' ');
}
