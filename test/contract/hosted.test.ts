/** The contract, on the built library as a program uses it: through a host, and in the program's own process. */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { DIST_DIRECTORY, newBrainDirectory } from '../support/host-brain.ts';
import { describeBrain, type OpenedBrain } from './brain-contract.ts';

type Library = typeof import('../../lib/index.ts');

async function open(host: boolean): Promise<OpenedBrain> {
  const library = (await import(pathToFileURL(path.join(DIST_DIRECTORY, 'index.js')).href)) as Library;
  const brain = await library.openBrain({ directory: newBrainDirectory(), host });
  return {
    brain,
    dispose: async () => {
      await brain.close();
      await brain.close(); // Closing is idempotent.
    },
  };
}

describeBrain('the library through a host', () => open(true));
describeBrain('the library in its own process', () => open(false));
