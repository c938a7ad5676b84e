/** A server as its own process, for what only processes show: kills, signals, several instances. Its first line is its address. */
import { createServerApp } from '../../lib/server/app.ts';
import { listen } from '../../lib/server/listen.ts';
import { openPostgresServerStore } from '../../lib/server/postgres-store.ts';

const [databaseUrl = '', adminToken = ''] = process.argv.slice(2);
const store = await openPostgresServerStore({ databaseUrl });
const server = await listen(createServerApp({ store, limits: 'none', adminToken }), { host: '127.0.0.1', port: 0 });
process.stdout.write(`${server.url}\n`);
process.once('SIGTERM', () => {
  void server
    .close()
    .then(() => store.close())
    .then(() => process.exit(0));
});
