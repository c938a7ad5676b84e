/**
 * What this brain remembers of each server: how far each side has come, and what was refused. Owns brain_sync_meta,
 * brain_sync_cursors and brain_sync_refusals. Knows nothing of networks.
 */
import { and, count, desc, eq, sql } from 'drizzle-orm';
import { type Database, rowsOf } from './database.ts';
import { brainEntries, brainSyncCursors, brainSyncMeta, brainSyncRefusals } from './schema.ts';

/** A server and the workspace that is synced with it. */
export interface StorePeer {
  endpoint: string;
  workspaceId: string;
}

export interface StorePosition {
  epoch: string | null;
  protocol: 1 | 2 | null;
  pushedSeq: number;
  chain: string;
  scannedSeq: number;
  cursors: Record<string, number>;
}

export interface StoreRefusal {
  direction: 'push' | 'pull';
  changeId: string;
  entryId: string | null;
  seq: number | null;
  code: string;
  message: string;
  refusedAt: number;
}

export interface StoredFailure {
  code: string;
  message: string;
  at: number;
}

export interface StorePeerState extends StorePosition {
  clockOffsetMs: number | null;
  lastPushAt: number | null;
  lastPullAt: number | null;
  lastError: StoredFailure | null;
  /** The last place of the log. */
  headSeq: number;
  /** Changes that are to be pushed, and when the oldest of them was written. */
  outgoing: number;
  pendingSince: number | null;
  /** Pushed changes that were refused as ahead of the clock, at most 1,000. */
  ahead: { changeId: string; seq: number }[];
}

const REFUSALS_SHOWN_MAX = 20;

/** What is known of a server; of one that was never met, that nothing was pushed or pulled. */
export async function readPeer(database: Database, peer: StorePeer): Promise<StorePeerState> {
  const [row] = await rowsOf<{ state: StorePeerState }>(
    database,
    sql`SELECT brain_sync_state(${peer.endpoint}, ${peer.workspaceId}) AS state`,
  );
  if (row === undefined) throw new Error('brain_sync_state gave no row');
  return row.state;
}

/** What a contact with a server has shown. */
export interface PeerContact {
  /** Those that are given are stored; `cursors` replaces all there are. */
  fields: Partial<Omit<StorePeerState, 'headSeq' | 'outgoing' | 'pendingSince' | 'ahead'>>;
  /** Wire ids of changes that were pushed, and are refused no longer. */
  accepted: readonly string[];
  /** What is added to the machine's clock from now on, in milliseconds, where the server's was seen. */
  correctionMs: number | undefined;
}

/** Stores it. @returns with the last word of a sync, how the brain stands with the server then */
export async function noteContact(
  transaction: Database,
  { endpoint, workspaceId }: StorePeer,
  { fields, accepted, correctionMs }: PeerContact,
  isLast: boolean,
): Promise<StorePeerState | null> {
  const { lastError } = fields;
  const given = {
    ...fields,
    ...(lastError === undefined ? {} : { lastError: lastError && JSON.stringify(lastError) }),
  };
  const [row] = await rowsOf<{ state: StorePeerState | null }>(
    transaction,
    sql`SELECT brain_sync_contact(${endpoint}, ${workspaceId}, ${JSON.stringify(given)}::jsonb,
      ${JSON.stringify(accepted)}::json, ${correctionMs?.toString() ?? null}, ${isLast}) AS state`,
  );
  return row?.state ?? null;
}

/** Forgets how far any server has come, so that everything is pushed and pulled again. */
export async function forgetPositions(transaction: Database): Promise<void> {
  await transaction.update(brainSyncMeta).set({ pushedSeq: 0, chain: '', scannedSeq: 0 });
  await transaction.delete(brainSyncCursors);
}

export async function addRefusals(transaction: Database, peer: StorePeer, refusals: StoreRefusal[]): Promise<void> {
  if (refusals.length === 0) return;
  const unique = new Map(refusals.map((refusal) => [`${refusal.direction} ${refusal.changeId}`, refusal]));
  await transaction
    .insert(brainSyncRefusals)
    .values([...unique.values()].map((refusal) => ({ ...refusal, ...peer })))
    .onConflictDoUpdate({
      target: [
        brainSyncRefusals.endpoint,
        brainSyncRefusals.workspaceId,
        brainSyncRefusals.direction,
        brainSyncRefusals.changeId,
      ],
      set: { code: sql`excluded.code`, message: sql`excluded.message`, refusedAt: sql`excluded.refused_at` },
    });
}

/** @param changeIds wire ids of changes that were pushed after all, or withdrawn */
export async function removeRefusals(transaction: Database, peer: StorePeer, changeIds: string[]): Promise<void> {
  if (changeIds.length === 0) return;
  await transaction.execute(sql`DELETE FROM brain_sync_refusals
    WHERE endpoint = ${peer.endpoint} AND workspace_id = ${peer.workspaceId} AND direction = 'push'
      AND change_id IN (SELECT jsonb_array_elements_text(${JSON.stringify(changeIds)}::jsonb))`);
}

export async function readRefusals(
  database: Database,
  peer: StorePeer,
): Promise<{ refusals: StoreRefusal[]; count: number }> {
  const rows = await database
    .select()
    .from(brainSyncRefusals)
    .where(isPeer(brainSyncRefusals, peer))
    .orderBy(desc(brainSyncRefusals.refusedAt), brainSyncRefusals.changeId)
    .limit(REFUSALS_SHOWN_MAX);
  const [total] = await database
    .select({ count: count() })
    .from(brainSyncRefusals)
    .where(isPeer(brainSyncRefusals, peer));
  return {
    refusals: rows.map(({ endpoint: _, workspaceId: __, ...refusal }) => refusal),
    count: total?.count ?? 0,
  };
}

/** Projects of a workspace that have entries. */
export async function readProjectIds(database: Database, workspaceId: string): Promise<string[]> {
  const rows = await database
    .selectDistinct({ projectId: brainEntries.projectId })
    .from(brainEntries)
    .where(eq(brainEntries.workspaceId, workspaceId))
    .orderBy(brainEntries.projectId);
  return rows.map(({ projectId }) => projectId);
}

type PeerTable = typeof brainSyncMeta | typeof brainSyncCursors | typeof brainSyncRefusals;

function isPeer(table: PeerTable, { endpoint, workspaceId }: StorePeer) {
  return and(eq(table.endpoint, endpoint), eq(table.workspaceId, workspaceId));
}
