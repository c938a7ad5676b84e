/**
 * How well the hook before a shell command warns: of commands that repeat an experiment that failed, those that are warned
 * of it; of commands beside them with the same tool, and of everyday ones, those that are warned of anything.
 */
import fs from 'node:fs';
import { failureAmong, questionOf, WARNING_HITS_MAX, WARNING_RELEVANCE_MIN } from '../../bin/hooks/warning.ts';

const THRESHOLDS = [0.25, 0.3, 0.35, 0.4, 0.45, 0.5];

/** @param open makes a brain of entries, and gives `recall(query)` with `close()` */
export async function measureWarnings(open, noise) {
  const { failed, ordinary } = JSON.parse(fs.readFileSync(new URL('sets/commands.json', import.meta.url), 'utf8'));
  const experiments = failed.map(({ title, conclusion }) => ({ title, conclusion, kind: 'experiment' }));
  // The worst case: whatever is recorded is an experiment.
  const others = noise.map((entry) => ({ ...entry, kind: 'experiment' }));
  for (const [name, entries] of [
    ['alone', experiments],
    [`among ${others.length} others`, [...others, ...experiments]],
  ]) {
    const brain = await open(entries);
    const ask = async (command) => {
      const query = questionOf(command);
      return query === undefined ? [] : brain.recall({ query, kind: 'experiment', limit: WARNING_HITS_MAX });
    };
    const again = await all(failed, ({ title, again: commands }) =>
      all(commands, async (one) => ({ title, hits: await ask(one) })),
    );
    const near = await all(failed, ({ near: commands }) => all(commands, ask));
    const everyday = await all(ordinary, ask);
    await brain.close();
    console.log(`\nWarnings before a command, ${experiments.length} failed experiments ${name}`);
    for (const threshold of THRESHOLDS) {
      const warned = (hits) => failureAmong(hits, threshold);
      const right = again.flat().filter(({ title, hits }) => warned(hits)?.title === title).length;
      const wrong = again.flat().filter(({ title, hits }) => (warned(hits)?.title ?? title) !== title).length;
      const [nearly, none] = [near.flat(), everyday].map((lists) => lists.filter((hits) => warned(hits)).length);
      console.log(
        `  ${threshold.toFixed(2)}${threshold === WARNING_RELEVANCE_MIN ? ' *' : '  '} tried again: ${right} of ${again.flat().length} warned, ${wrong} of something else;` +
          ` beside: ${nearly} of ${near.flat().length}; everyday: ${none} of ${everyday.length}`,
      );
    }
  }
}

async function all(items, each) {
  const found = [];
  for (const item of items) found.push(await each(item));
  return found;
}
