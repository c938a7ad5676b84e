// In place of a thread that reads: takes what it is given, and ends at what is marked so.
import { parentPort } from 'node:worker_threads';

parentPort.on('message', ({ terms }) => {
  if (terms.clientId === 'exit') process.exit(3);
  if (terms.clientId === 'throw') throw new Error('a fault on purpose');
});
parentPort.postMessage({ type: 'ready' });
