/** `sm embeddings status`: which address makes vectors, whether it works, and how far it has come. */
import type { CommandModule } from '../../command.ts';
import { counted } from '../../../lib/core/counted.ts';
import { embeddingFigures, embeddingState } from '../../print/embeddings.ts';
import { renderFields } from '../../print/entries.ts';
import { writeJson } from '../../print/json.ts';
import { createView } from '../../print/view.ts';
import { withBrain } from '../../session.ts';

export const command: CommandModule = {
  options: [],
  examples: ['sm embeddings status', 'sm embeddings status --json'],
  async run(context, _args, options) {
    const address = await context.embeddings.read();
    return withBrain(context, options, async (brain, { brainDirectory }) => {
      const known = await brain.run('embeddingState', {});
      const host = await context.host.status({ brainDirectory });
      const figures = embeddingFigures(host);
      const facts = {
        on: address !== undefined,
        url: address?.url ?? null,
        model: address?.model ?? null,
        state: figures?.state ?? null,
        failure: figures?.failure ?? null,
        vectors: known?.vectors ?? 0,
        vectorsOf: known?.model ?? null,
        dimensions: known?.dimensions ?? null,
        changesLeft: known?.left ?? null,
      };
      if (options.isSet('json')) {
        await writeJson(context, facts);
      } else if (address === undefined) {
        await context.stdout.write('off; "sm embeddings on --help" tells how\n');
      } else {
        const view = await createView(context, options, JSON.stringify(facts));
        const fields = renderFields(view, [
          ['address', address.url],
          ['model', address.model],
          ['state', embeddingState(figures?.state ?? null)],
          ...(figures?.failure === undefined ? [] : [['failure', figures.failure] as const]),
          [
            'vectors',
            known === undefined ? 'none yet' : `${known.vectors}, each of ${counted(known.dimensions, 'dimension')}`,
          ],
          ['left', known === undefined ? 'all' : counted(known.left, 'change')],
        ]);
        await context.stdout.write(`${fields.join('\n')}\n`);
      }
      return 0;
    });
  },
};
