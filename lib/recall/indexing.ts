/**
 * Keeps the index small and quick: entries that wait are put into segments, and segments that are small or mostly dead
 * are put together. Nothing here changes what recall finds, only how soon. Each step is one transaction of a bounded size.
 */
import type { Database } from '../store/database.ts';
import { documentOf, lengthOf } from './document.ts';
import type { Segment } from './index-tables.ts';
import { SEGMENT_DOCUMENTS_MAX } from './postings.ts';
import { countUnindexed, dropSegments, readForSegment, readSegments, writeSegment } from './segments.ts';

/** Text that one step reads. */
const STEP_BYTES_MAX = 8 * 1024 * 1024;
/** So few entries are gone through sooner than they are worth a segment. */
const WAITING_MIN = 32;
/** So many small segments are put together, or so many dead documents are dropped by it. */
const MERGE_SEGMENTS_MIN = 8;
const MERGE_DEAD_MIN = SEGMENT_DOCUMENTS_MAX / 4;

/** Whether a step would do anything. */
export async function isIndexingDue(database: Database): Promise<boolean> {
  if ((await countUnindexed(database, WAITING_MIN)) >= WAITING_MIN) return true;
  return segmentsToMerge(await readSegments(database)).length > 0;
}

/** One step, in the caller's transaction: segments are put together, or waiting entries become one. */
export async function indexStep(transaction: Database): Promise<void> {
  await dropSegments(transaction, segmentsToMerge(await readSegments(transaction)));
  const entries = await readForSegment(transaction, STEP_BYTES_MAX);
  const [first] = entries;
  if (first === undefined) return;
  const documents = entries.map((entry) => {
    const document = documentOf(entry);
    return { entryId: entry.entryId, document, length: lengthOf(document.lengthCode) };
  });
  await writeSegment(transaction, first.workspaceId, documents);
}

/** The smallest segments of one workspace that fit into one, if putting them together is worth it. Pure. */
export function segmentsToMerge(segments: Segment[]): number[] {
  const living = ({ documents, dead }: Segment): number => documents - dead.length;
  for (const workspaceId of new Set(segments.map((segment) => segment.workspaceId))) {
    const ofWorkspace = segments.filter((segment) => segment.workspaceId === workspaceId);
    const chosen: Segment[] = [];
    let total = 0;
    for (const segment of ofWorkspace.toSorted((a, b) => living(a) - living(b) || a.segment - b.segment)) {
      total += living(segment);
      if (total > SEGMENT_DOCUMENTS_MAX) break;
      chosen.push(segment);
    }
    const dead = chosen.reduce((sum, segment) => sum + segment.dead.length, 0);
    if (chosen.length >= MERGE_SEGMENTS_MIN || dead >= MERGE_DEAD_MIN) return chosen.map(({ segment }) => segment);
  }
  return [];
}
