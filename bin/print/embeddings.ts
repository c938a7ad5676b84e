/** What the host says of the embeddings, in words. */
import type { EmbeddingFigures } from '../../lib/embeddings/service.ts';
import type { HostStatus } from '../command.ts';

const STATES: Readonly<Record<EmbeddingFigures['state'], string>> = {
  starting: 'not asked yet',
  working: 'making vectors',
  ready: 'ready',
  failing: 'fails; recall goes by words alone',
};

/** What the host knows of the embeddings; null where it runs not, or has not begun with them. */
export function embeddingFigures(host: HostStatus): Pick<EmbeddingFigures, 'state' | 'failure'> | null {
  return host.running ? host.embeddings : null;
}

export function embeddingState(state: EmbeddingFigures['state'] | null): string {
  return state === null ? 'the host begins with it in a moment' : STATES[state];
}
