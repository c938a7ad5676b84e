/** `sm version`, `sm --version`. */
import type { CommandModule } from '../command.ts';
import { writeJson } from '../print/json.ts';

export const command: CommandModule = {
  options: [],
  examples: ['sm --version', 'sm version --json'],
  async run(context, _args, options) {
    if (options.isSet('json')) await writeJson(context, { version: context.version });
    else await context.stdout.write(`${context.version}\n`);
    return 0;
  },
};
