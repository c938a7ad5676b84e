/** What the host says of the embeddings, in words. */
import type { EmbeddingFigures } from '../../lib/embeddings/service.ts';

const STATES: Readonly<Record<EmbeddingFigures['state'], string>> = {
  starting: 'not asked yet',
  working: 'making vectors',
  ready: 'ready',
  failing: 'fails; recall goes by words alone',
};

export function embeddingState(figures: EmbeddingFigures | null): string {
  return figures === null ? 'the host begins with it in a moment' : STATES[figures.state];
}
