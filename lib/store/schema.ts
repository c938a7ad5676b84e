/**
 * The tables, as drizzle sees them. Owns names and types; the SQL that makes them is in migrations/ (a test holds the
 * two against each other). Text that is compared or sorted by code is collated "C", so that every machine agrees.
 */
import {
  bigint,
  boolean,
  customType,
  doublePrecision,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
} from 'drizzle-orm/pg-core';

const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' });
const milliseconds = (name: string) => bigint(name, { mode: 'number' });

/** Single values about this brain: `replica_id`, `clock_high_ms`, `opened_at`. */
export const brainMeta = pgTable('brain_meta', {
  key: text('key').primaryKey(),
  value: text('value').notNull(),
});

/** The append-only log: every version that was ever written or received. `seq` counts from 1 without gaps. */
export const brainChanges = pgTable('brain_changes', {
  seq: bigint('seq', { mode: 'number' }).primaryKey(),
  changeId: text('change_id').notNull(),
  entryId: text('entry_id').notNull(),
  workspaceId: text('workspace_id').notNull(),
  projectId: text('project_id').notNull(),
  base: text('base'),
  hash: text('hash').notNull(),
  replicaId: text('replica_id').notNull(),
  updatedAt: milliseconds('updated_at').notNull(),
  receivedAt: milliseconds('received_at').notNull(),
  origin: text('origin').notNull(),
  outcome: text('outcome', { enum: ['applied', 'superseded', 'duplicate'] }).notNull(),
  /** Canonical JSON of the content; `hash` is its SHA-256. */
  content: text('content').notNull(),
  /** Hashes of versions, besides `base`, that this one is known to have replaced. */
  replaces: text('replaces').array().notNull(),
  /** The change that this one withdraws. */
  withdraws: text('withdraws'),
});

/** How far this brain and a server have come with each other, per address and workspace. */
export const brainSyncMeta = pgTable(
  'brain_sync_meta',
  {
    endpoint: text('endpoint').notNull(),
    workspaceId: text('workspace_id').notNull(),
    epoch: text('epoch'),
    protocol: integer('protocol'),
    /** The last of this brain's changes that the server took, by its seq, and the rolling hash through it. */
    pushedSeq: bigint('pushed_seq', { mode: 'number' }).notNull(),
    chain: text('chain').notNull(),
    /** How far the log has been looked through for changes to push; at least `pushedSeq`. */
    scannedSeq: bigint('scanned_seq', { mode: 'number' }).notNull(),
    /** The server's clock less this machine's. */
    clockOffsetMs: milliseconds('clock_offset_ms'),
    lastPushAt: milliseconds('last_push_at'),
    lastPullAt: milliseconds('last_pull_at'),
    /** JSON `{ code, message, at }` of the last sync that failed; null after one that did not. */
    lastError: text('last_error'),
  },
  (table) => [primaryKey({ columns: [table.endpoint, table.workspaceId] })],
);

/** Where the next pull begins. `projectId` is '' with protocol 2. */
export const brainSyncCursors = pgTable(
  'brain_sync_cursors',
  {
    endpoint: text('endpoint').notNull(),
    workspaceId: text('workspace_id').notNull(),
    projectId: text('project_id').notNull(),
    cursor: bigint('cursor', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.endpoint, table.workspaceId, table.projectId] })],
);

/** Changes that could not be pushed or taken. */
export const brainSyncRefusals = pgTable(
  'brain_sync_refusals',
  {
    endpoint: text('endpoint').notNull(),
    workspaceId: text('workspace_id').notNull(),
    direction: text('direction', { enum: ['push', 'pull'] }).notNull(),
    changeId: text('change_id').notNull(),
    entryId: text('entry_id'),
    /** Place in the log of a change that was pushed. */
    seq: bigint('seq', { mode: 'number' }),
    code: text('code').notNull(),
    message: text('message').notNull(),
    refusedAt: milliseconds('refused_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.endpoint, table.workspaceId, table.direction, table.changeId] })],
);

/** The current version of every entry: what the log says, made quick to read. */
export const brainEntries = pgTable('brain_entries', {
  entryId: text('entry_id').primaryKey(),
  workspaceId: text('workspace_id').notNull(),
  projectId: text('project_id').notNull(),
  agent: text('agent').notNull(),
  kind: text('kind', { enum: ['experiment', 'decision', 'insight', 'note'] }).notNull(),
  title: text('title').notNull(),
  summary: text('summary').notNull(),
  conclusion: text('conclusion').notNull(),
  tags: text('tags').array().notNull(),
  refs: text('refs').array().notNull(),
  confidence: doublePrecision('confidence').notNull(),
  status: text('status', { enum: ['active', 'superseded', 'retracted'] }).notNull(),
  supersededBy: text('superseded_by'),
  createdAt: milliseconds('created_at').notNull(),
  updatedAt: milliseconds('updated_at').notNull(),
  hash: text('hash').notNull(),
});

/** Up to 1,024 entries of one workspace as recall's index has them. */
export const brainSegments = pgTable('brain_segments', {
  segment: integer('segment').primaryKey(),
  workspaceId: text('workspace_id').notNull(),
  documents: integer('documents').notNull(),
  lengthTotal: doublePrecision('length_total').notNull(),
});

/** Which documents of a segment have a term. */
export const brainPostings = pgTable(
  'brain_postings',
  {
    term: text('term').notNull(),
    segment: integer('segment').notNull(),
    data: bytea('data').notNull(),
  },
  (table) => [primaryKey({ columns: [table.term, table.segment] })],
);

/** `doc` is segment * 1,024 + place. A document dies when its entry gets a newer version. */
export const brainDocuments = pgTable('brain_documents', {
  doc: integer('doc').primaryKey(),
  entryId: text('entry_id').notNull(),
  lengthCode: smallint('length_code').notNull(),
  isDead: boolean('is_dead').notNull(),
});

/** Entries whose present version is in no segment yet. */
export const brainUnindexed = pgTable('brain_unindexed', {
  entryId: text('entry_id').primaryKey(),
});

/** What an entry means, as a vector of the model that the brain's vectors are of: a signed byte for each dimension. */
export const brainVectors = pgTable('brain_vectors', {
  entryId: text('entry_id').primaryKey(),
  workspaceId: text('workspace_id').notNull(),
  textHash: text('text_hash').notNull(),
  data: bytea('data').notNull(),
});
