/**
 * A worker of the engine whose ways the test chooses by the request: `{ fake: 'answer' | 'spin' | 'spin silently' |
 * 'refuse' | 'poisoned' | 'crash' | 'exit' | 'say nothing' }`. Holds a real lock while it lives, so that two alive at
 * once are seen. Plain JavaScript, for it is run by node from its source.
 */
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { parentPort, threadId, workerData } from 'node:worker_threads';

const { tryLock } = createRequire(import.meta.url)('fs-native-extensions');
const lives = path.join(workerData.brainDirectory, 'lives');
const opening = path.join(workerData.brainDirectory, 'fail-to-open');

const descriptor = fs.openSync(path.join(workerData.brainDirectory, 'worker.lock'), 'a+');
const isAlone = tryLock(descriptor);
fs.appendFileSync(lives, `${threadId} ${isAlone ? 'alone' : 'NOT ALONE'}\n`);

const send = (message) => parentPort.postMessage(message);
const work = (name) => send({ type: 'work', work: name });

function spin() {
  for (;;) Atomics.load(new Int32Array(1), 0);
}

parentPort.on('message', (message) => {
  if (message.type === 'close') {
    fs.closeSync(descriptor);
    send({ type: 'closed' });
    parentPort.close();
    return;
  }
  const { id, operation, request } = message;
  if (request.fake !== 'spin silently' && request.fake !== 'say nothing') work(operation);
  switch (request.fake) {
    case 'spin':
    case 'spin silently':
      spin();
      return;
    case 'say nothing':
      return;
    case 'crash':
      throw new Error('as asked');
    case 'exit':
      process.exit(3);
      return;
    case 'poisoned':
      send({ type: 'error', id, error: { error: 'disk_full', message: 'as asked' } });
      send({ type: 'poisoned', reason: 'as asked' });
      return;
    case 'refuse':
      send({ type: 'error', id, error: { error: 'not_found', message: 'as asked' } });
      break;
    default:
      send({ type: 'answer', id, answer: { threadId, ...request } });
  }
  work(null);
});

if (fs.existsSync(opening)) send({ type: 'failed', error: { error: 'store_damaged', message: 'as asked' } });
else send({ type: 'open', created: false, migrationsRun: 0 });
