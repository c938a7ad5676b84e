/** A sync server as its own process, without limits of requests: `child.ts embedded <directory>` or `child.ts postgres <url>`. */
import { createServerApp } from '../../../lib/server/app.ts';
import { openEmbeddedServerStore } from '../../../lib/server/embedded-store.ts';
import { listen } from '../../../lib/server/listen.ts';
import { openPostgresServerStore } from '../../../lib/server/postgres-store.ts';
import { readerThreadsOf } from '../../../lib/server/readers.ts';

const [kind, place = ''] = process.argv.slice(2);
const store =
  kind === 'postgres'
    ? await openPostgresServerStore({ databaseUrl: place })
    : await openEmbeddedServerStore({ dataDirectory: place });
const app = createServerApp({ store, limits: 'none', signup: 'open', readerThreads: readerThreadsOf() });
const server = await listen(app, { host: '127.0.0.1', port: 0 });
process.stdout.write(`${server.url}\n`);
