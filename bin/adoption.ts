/** Takes entries that were recorded before logging in over into the workspace, batch by batch. */
import type { Brain } from '../lib/brain/contract.ts';
import { BATCH_CHANGES_MAX } from '../lib/core/limits.ts';
import type { Context } from './command.ts';
import { createProgressLine } from './print/progress.ts';

/** How many entries, of whatever state, a workspace has in this brain. */
export async function countEntries(brain: Brain, workspaceId: string): Promise<number> {
  const { byStatus } = await brain.run('status', { scope: { workspaceId, projectId: '' } });
  return byStatus.active + byStatus.superseded + byStatus.retracted;
}

/** Each batch is a transaction, so that an interruption leaves the rest for the next login. */
export async function adoptEntries(
  context: Context,
  brain: Brain,
  workspaceId: string,
): Promise<{ adopted: number; remaining: number }> {
  const progress = createProgressLine(context);
  let adopted = 0;
  try {
    for (;;) {
      const request = { requestId: context.newId(), workspaceId, limit: BATCH_CHANGES_MAX };
      const batch = await brain.run('adopt', request);
      adopted += batch.adopted;
      // A batch that takes nothing over would be asked for for ever.
      if (batch.remaining === 0 || batch.adopted === 0) return { adopted, remaining: batch.remaining };
      progress.show(`adopting ${adopted} of ${adopted + batch.remaining}`);
    }
  } finally {
    await progress.clear();
  }
}
