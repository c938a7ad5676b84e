/** `sm embeddings off`: takes the address out of the configuration. The vectors stay in the brain, and are not used. */
import type { CommandModule } from '../../command.ts';
import { writeJson } from '../../print/json.ts';

export const command: CommandModule = {
  options: [],
  notes: 'Recall goes by words alone then. Turned on again with the same model, what was made before is used again.',
  examples: ['sm embeddings off', 'sm embeddings off --json'],
  async run(context, _args, options) {
    const before = await context.embeddings.read();
    await context.embeddings.write(undefined);
    if (options.isSet('json')) await writeJson(context, { wasOn: before !== undefined });
    else await context.stdout.write(before === undefined ? 'off already\n' : `off: ${before.model} at ${before.url}\n`);
    return 0;
  },
};
