/**
 * fast-check's seed, path and number of runs from the environment: FC_SEED, FC_PATH, FC_RUNS repeat a failing run. Without
 * them every run draws the same, so that red means the change at hand; whoever asks for more runs gets other ones.
 */
import fc from 'fast-check';

const SEED_DEFAULT = 20_261_123;

const numRuns = integerFrom('FC_RUNS', 1);
const seed = integerFrom('FC_SEED', Number.MIN_SAFE_INTEGER) ?? (numRuns === undefined ? SEED_DEFAULT : undefined);
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
