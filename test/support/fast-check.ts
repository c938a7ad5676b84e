/** fast-check's seed, path and number of runs from the environment: FC_SEED, FC_PATH, FC_RUNS repeat a failing run. */
import fc from 'fast-check';

const seed = integerFrom('FC_SEED', Number.MIN_SAFE_INTEGER);
const numRuns = integerFrom('FC_RUNS', 1);
const path = process.env['FC_PATH'];

fc.configureGlobal({
  ...(seed === undefined ? {} : { seed }),
  ...(path === undefined || path === '' ? {} : { path }),
  ...(numRuns === undefined ? {} : { numRuns }),
});

function integerFrom(name: string, min: number): number | undefined {
  const text = process.env[name];
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  // A mistyped seed would silently test something else.
  if (!Number.isSafeInteger(value) || value < min) throw new Error(`${name} must be a whole number, not ${text}`);
  return value;
}
