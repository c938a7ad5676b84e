/** Whether an address gives vectors, for a person who is about to configure it. */
import { SmError } from '../core/errors.ts';
import { embed, EmbeddingFailure, type Endpoint } from './endpoint.ts';

const TEXT = 'What was decided, and why?';

/** @throws SmError `unavailable` */
export async function attempt(endpoint: Endpoint, signal: AbortSignal): Promise<{ dimensions: number }> {
  try {
    const [vector] = await embed(endpoint, [TEXT], signal);
    return { dimensions: vector?.length ?? 0 };
  } catch (error) {
    if (!(error instanceof EmbeddingFailure)) throw error;
    throw new SmError({
      code: 'unavailable',
      message: `${endpoint.url} gives no vectors with the model ${endpoint.model}: ${error.told(endpoint.apiKey)}.`,
      hint: 'Nothing was changed. The address is the one up to /v1; see docs/EMBEDDINGS.md.',
      cause: error,
    });
  }
}
