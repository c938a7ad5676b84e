/**
 * The brain's side of embeddings: which entries are to be embedded, as texts that may leave this machine, and the vectors
 * that come back. Owns what of an entry is embedded; knows no network. Recall needs none of it.
 */
import type { VectorModel } from '../core/embedding.ts';
import type { Entry } from '../core/entry.ts';
import { sha256Hex } from '../protocol/hash.ts';
import {
  beginVectors,
  countLeft,
  countVectors,
  readUnembedded,
  readVectorState,
  writeVectors,
} from '../recall/vector-tables.ts';
import type { Database } from '../store/database.ts';
import { sortOut } from './disclosure.ts';
import type { EmbeddingState, EmbeddingStoreRequest, PendingEmbeddings } from './recall-contract.ts';

/** What small models take in; more of it is cut off, the conclusion last. */
const TEXT_CHARACTERS_MAX = 2_000;

export async function embeddingState(database: Database): Promise<EmbeddingState | undefined> {
  const state = await readVectorState(database);
  if (state === undefined) return undefined;
  const { seq, ...model } = state;
  return { ...model, vectors: await countVectors(database), left: await countLeft(database, seq) };
}

export async function embeddingStart(transaction: Database, model: VectorModel): Promise<Record<string, never>> {
  await beginVectors(transaction, model);
  return {};
}

export async function embeddingPending(
  database: Database,
  { generation, limit }: { generation: string; limit: number },
): Promise<PendingEmbeddings> {
  const state = await readVectorState(database);
  if (state?.generation !== generation) return { items: [], upToSeq: 0, left: 0 };
  const { entries, textHashes, upToSeq, left } = await readUnembedded(database, state, limit);
  const { sent } = await sortOut(entries.filter(({ status }) => status !== 'retracted').map((entry) => ({ entry })));
  const items = sent.flatMap(({ entry }) => {
    const { entryId, workspaceId } = entry;
    const text = textOf(entry);
    const textHash = sha256Hex(text);
    return textHashes.get(entryId) === textHash ? [] : [{ entryId, workspaceId, text, textHash }];
  });
  return { items, upToSeq, left };
}

export async function embeddingStore(
  transaction: Database,
  { generation, upToSeq, vectors }: EmbeddingStoreRequest,
): Promise<{ stored: number }> {
  const state = await readVectorState(transaction);
  if (state?.generation !== generation || upToSeq < state.seq) return { stored: 0 };
  await writeVectors(transaction, { ...state, seq: upToSeq }, vectors);
  return { stored: vectors.length };
}

function textOf({ title, conclusion, summary }: Entry): string {
  return [title, conclusion, summary]
    .filter((part) => part !== '')
    .join('\n')
    .slice(0, TEXT_CHARACTERS_MAX)
    .toWellFormed();
}
