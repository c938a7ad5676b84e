/**
 * A process that uses a brain as a program would: `node host-client.mjs`, with the job as JSON on stdin. Prints one JSON line for every
 * acknowledgement, at once, so that whoever kills it or its host knows what was promised. Plain JavaScript, for it is
 * run by node from its source.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';

/** { dist, directory, host?, titles: [], inFlight?, refuse?, batch? } */
const job = JSON.parse(fs.readFileSync(0, 'utf8'));
const { openBrain } = await import(`${job.dist}/index.js`);
const scope = { workspaceId: '', projectId: 'project' };

const say = (line) => fs.writeSync(1, `${JSON.stringify(line)}\n`);

const brain = await openBrain({ directory: job.directory, host: job.host ?? true });
say({ open: true });
try {
  if (job.refuse) {
    await brain.run('show', { workspaceId: '', idOrPrefix: 'ffffffff' }).catch((error) => say({ refused: error.code }));
  }
  const waiting = [...job.titles];
  const work = async () => {
    for (let title = waiting.shift(); title !== undefined; title = waiting.shift()) {
      // A batch is several entries of one request: all of it or nothing.
      const drafts = Array.from({ length: job.batch ?? 1 }, (_, part) => ({
        title: job.batch === undefined ? title : `${title}/${part}`,
        summary: job.summary ?? '',
      }));
      await brain.run('record', { requestId: randomUUID(), scope, agent: 'crowd', drafts });
      say({ acknowledged: title });
    }
  };
  await Promise.all(Array.from({ length: job.inFlight ?? 1 }, work));
} catch (error) {
  say({ error: error.code ?? String(error.stack), message: error.message });
  process.exitCode = error.exitCode ?? 1;
}
await brain.close();
