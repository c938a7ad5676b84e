/** The contract, on a session over a store in this very process. */
import { v7 as uuidv7, v4 as uuidv4 } from 'uuid';
import { BrainSession } from '../../lib/brain/session.ts';
import { openTestStore, removeDirectory } from '../support/stores.ts';
import { describeBrain } from './brain-contract.ts';

describeBrain('a session', async () => {
  const opened = await openTestStore();
  const brain = await BrainSession.open(opened.store, {
    directory: opened.directory,
    nowMs: Date.now,
    createEntryId: (nowMs) => uuidv7({ msecs: nowMs }),
    createReplicaId: uuidv4,
  });
  return {
    brain,
    dispose: async () => {
      await brain.close();
      removeDirectory(opened.directory);
    },
  };
});
