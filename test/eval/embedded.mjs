/** Vectors for a brain that is measured, made by the product's own calls; `embedEntries` gives what a question means. */
import { randomUUID } from 'node:crypto';
import { embed } from '../../lib/embeddings/endpoint.ts';

const BATCH = 32;
const CALL_MS = 300_000;
/** The same texts are measured in several ways. */
const known = new Map();

export async function embedEntries(brain, endpoint) {
  const generation = randomUUID();
  const [probe] = await vectorsOf(endpoint, ['probe']);
  await brain.run('embeddingStart', {
    ...{ model: endpoint.model, generation, probe },
    dimensions: Buffer.from(probe, 'base64').length,
  });
  for (let left = 1; left > 0;) {
    const page = await brain.run('embeddingPending', { generation, limit: BATCH });
    const made = await vectorsOf(
      endpoint,
      page.items.map(({ text }) => text),
    );
    const vectors = page.items.map(({ text: _, ...item }, index) => ({ ...item, data: made[index] }));
    await brain.run('embeddingStore', { generation, upToSeq: page.upToSeq, vectors });
    left = page.left;
  }
  return async (query) => {
    const [vector] = await vectorsOf(endpoint, [query]);
    return { meaning: { generation, vector } };
  };
}

async function vectorsOf(endpoint, texts) {
  const missing = [...new Set(texts.filter((text) => !known.has(text)))];
  if (missing.length > 0) {
    const made = await embed(endpoint, missing, AbortSignal.timeout(CALL_MS));
    for (const [index, text] of missing.entries()) known.set(text, Buffer.from(made[index].buffer).toString('base64'));
  }
  return texts.map((text) => known.get(text));
}
