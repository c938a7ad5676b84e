/** `sm brain useful` and `sm brain stale`: says how an entry proved itself. Moves its confidence by a bounded step. */
import type { Verdict } from '../../../lib/core/standing.ts';
import type { CommandModule } from '../../command.ts';
import { writeJson } from '../../print/json.ts';
import { doneLine } from '../../print/recorded.ts';
import { createView } from '../../print/view.ts';
import { withBrain } from '../../session.ts';

const NOTES: Readonly<Record<Verdict, string>> = {
  useful:
    'Raises its confidence by a quarter of the way to 95 %, never beyond. The change is in the log, and is synced.',
  stale:
    'Halves its confidence, and never below 5 %. Below 20 % it is left out of contexts that nobody asked for, and comes\n' +
    'behind others in recall. Where you know what holds instead, record that with --supersedes.',
};

function feedbackCommand(verdict: Verdict): CommandModule {
  return {
    options: [],
    notes: NOTES[verdict],
    examples: [`sm brain ${verdict} 01980c2e-7f3a`, `sm brain ${verdict} 01980c2e-7f3a --json`],
    async run(context, [id = ''], options) {
      return withBrain(context, options, async (brain, location) => {
        const entry = await brain.run('feedback', {
          requestId: context.newId(),
          reference: { workspaceId: location.workspaceId, idOrPrefix: id },
          verdict,
        });
        if (options.isSet('json')) {
          await writeJson(context, entry);
        } else {
          const view = await createView(context, options, entry.title);
          const sure = ` (${Math.round(100 * entry.confidence)} % sure now)`;
          await context.stdout.write(doneLine(view, verdict, entry, sure));
        }
        return 0;
      });
    },
  };
}

export const useful = feedbackCommand('useful');
export const stale = feedbackCommand('stale');
