/** What is named where nothing is relevant to a question: as near misses, and never as an answer. */
import type { Brain } from './contract.ts';
import type { RecallHit, RecallRequest } from './recall-contract.ts';

/** Of less relevance than this, an entry has a common word or two of many, and is not worth naming. */
const NEAR_MIN = 0.05;
const MISSES_MAX = 3;

/** @param asked what found nothing; where it had no words, or was loose already, there are none */
export async function nearMisses(brain: Brain, asked: RecallRequest): Promise<RecallHit[]> {
  if ((asked.query ?? '') === '' || asked.isLoose === true) return [];
  const hits = await brain.run('recall', { ...asked, isLoose: true, limit: MISSES_MAX });
  return hits.filter(({ reasons }) => reasons.relevance >= NEAR_MIN);
}
