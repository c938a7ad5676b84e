/** fast-check's seed, path and number of runs from the environment: FC_SEED, FC_PATH, FC_RUNS repeat a failing run. */
import fc from 'fast-check';

const { FC_SEED, FC_PATH, FC_RUNS } = process.env;

fc.configureGlobal({
  ...(FC_SEED === undefined ? {} : { seed: Number(FC_SEED) }),
  ...(FC_PATH === undefined ? {} : { path: FC_PATH }),
  ...(FC_RUNS === undefined ? {} : { numRuns: Number(FC_RUNS) }),
});
