/**
 * The program `sm`. Owns the process: signals, the last line of defence against bugs, and the exit. Everything else is
 * main.ts, which gets the world as a parameter.
 */
import { createContext } from './context.ts';
import { main } from './main.ts';

const INTERRUPTED_EXIT_CODE = 130;
const BUG_EXIT_CODE = 1;

const interruption = new AbortController();
// Listeners tidy up synchronously; what the brain acknowledged is on disk, and the rest was never promised.
process.once('SIGINT', () => {
  interruption.abort();
  process.exit(INTERRUPTED_EXIT_CODE);
});
for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    interruption.abort();
    // Nobody listens any more: it ends as it would have, which service managers tell from a failure.
    process.kill(process.pid, signal);
  });
}

function failAsBug(error: unknown): void {
  const shown = process.env['SM_DEBUG'] === '1' && error instanceof Error ? error.stack : String(error);
  process.stderr.write(`sm: ${shown}. This is a bug; SM_DEBUG=1 shows the stack.\n`, () => process.exit(BUG_EXIT_CODE));
}
process.on('uncaughtException', failAsBug);
process.on('unhandledRejection', failAsBug);

// Every write was awaited until the kernel had it, so that exiting here cuts nothing off; a socket or timer that is
// still open must not hold the caller up.
void main(process.argv.slice(2), createContext(interruption.signal)).then((code) => process.exit(code), failAsBug);
