/** The contract of change stores on a real PostgreSQL. */
import { openPostgresServerStore } from '../../lib/server/postgres-store.ts';
import { startPostgres } from '../support/server-postgres.ts';
import { changeStoreContract } from './change-store.ts';

changeStoreContract('PostgreSQL', async () => {
  const postgres = await startPostgres();
  const store = await openPostgresServerStore({ databaseUrl: await postgres.createDatabase() });
  return {
    store,
    stop: async () => {
      await store.close();
      await postgres.stop();
    },
  };
});
