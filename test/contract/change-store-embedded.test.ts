/** The contract of change stores on the embedded database. */
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import { changeStoreContract } from './change-store.ts';

changeStoreContract('embedded', async () => {
  const store = await openEmbeddedServerStore({ memory: true });
  return { store, stop: () => store.close() };
});
