/**
 * The change store in SQL, for any PostgreSQL. Owns the statements and the mapping of rows; each operation on changes
 * is one call of a function in migrations/, and so one transaction. How statements reach a database is its runner's.
 */
import type { Entry, EntryContent } from '../core/entry.ts';
import type { EntryStamp } from '../protocol/digest.ts';
import { REPLACES_MAX } from '../protocol/limits.ts';
import { SqlDirectory } from './sql-directory.ts';
import type { SqlRunner } from './sql-runner.ts';
import type {
  ChangeStore,
  DigestPart,
  LoggedVersion,
  StoreDigest,
  StoredChange,
  StoreEvent,
  StoreHistory,
  StoreOutcome,
  StorePage,
  StorePull,
  StorePush,
  StorePushAnswer,
} from './store.ts';

interface PushRow {
  out_found: string | number;
  out_verdict: 'stored' | 'forked' | 'replica_behind' | 'replica_ahead';
  out_epoch: string;
  out_cursor: string | number;
  out_stored: string | number;
  out_seq: string | number;
  out_chain: string;
  out_outcomes: [position: number, outcome: StoreOutcome][] | null;
}

interface PageRow {
  out_epoch: string;
  out_last: string | number;
  out_more: boolean;
  out_cursor: string | number | null;
  out_change_id: string;
  out_base: string | null;
  out_replaces: string[];
  out_replica_id: string;
  out_updated_at: string | number;
  out_content: string;
}

/** A page of a pull as one value: of so many columns in so many rows, each costs its own reading. */
const PULL_PAGE = `SELECT min(p.out_epoch) AS out_epoch, max(p.out_last) AS out_last, bool_or(p.out_more) AS out_more,
    json_agg(json_build_array(p.out_cursor, p.out_change_id, p.out_base, p.out_replaces, p.out_named, p.out_replica_id,
      p.out_updated_at, p.out_hash, p.out_content::json) ORDER BY p.out_cursor)
      FILTER (WHERE p.out_cursor IS NOT NULL) AS out_items
  FROM server_pull($1, $2, $3, $4, $5, $6, $7, $8, $9) AS p`;

type PulledItem = [
  cursor: number,
  changeId: string,
  base: string | null,
  replaces: string[],
  named: string[] | null,
  replicaId: string,
  updatedAt: number,
  hash: string,
  content: EntryContent,
];

interface PullRow {
  out_epoch: string | null;
  out_last: string | number;
  out_more: boolean;
  out_items: PulledItem[] | null;
}

interface HistoryRow extends PageRow {
  out_claimed_at: string | number | null;
  out_received_at: string | number;
  out_outcome: string;
}

interface DigestRow {
  out_epoch: string;
  out_last: string | number;
  out_range: number | null;
  out_first: string;
  out_count: string | number;
  out_hash: string;
  out_stamps: EntryStamp[] | null;
}

export class SqlStore extends SqlDirectory implements ChangeStore {
  readonly kind: ChangeStore['kind'];
  readonly #runner: SqlRunner;

  constructor(runner: SqlRunner) {
    super(runner);
    this.kind = runner.kind;
    this.#runner = runner;
  }

  async push({ workspaceId, pusherId, protocol, nowMs, rows, count, replica }: StorePush): Promise<StorePushAnswer> {
    const [row] = await this.#runner.write<PushRow>(
      'SELECT * FROM server_push_from($1, $2, $3, $4, $5::json, $6::jsonb)',
      [workspaceId, pusherId, protocol, nowMs, rows, replica === undefined ? null : JSON.stringify(replica)],
      rows.length,
    );
    if (row === undefined) throw new Error('server_push_from gave no row');
    const position = { seq: Number(row.out_seq), chain: row.out_chain };
    if (row.out_verdict !== 'stored') return { verdict: row.out_verdict, remembered: position };
    const outcomes = Array.from({ length: count }, (): StoreOutcome => 'applied');
    for (const [index, outcome] of row.out_outcomes ?? []) outcomes[index] = outcome;
    const lastCursor = Number(row.out_cursor);
    const stored = Number(row.out_stored);
    if (stored > 0) this.#runner.announce({ kind: 'cursor', workspaceId, cursor: lastCursor });
    return {
      verdict: 'stored',
      epoch: row.out_epoch,
      foundCursor: Number(row.out_found),
      lastCursor,
      stored,
      outcomes,
      ...(replica === undefined ? {} : { replica: position }),
    };
  }

  async pull(query: StorePull): Promise<StorePage<StoredChange>> {
    const { workspaceId, projectId, since, limit, bytesMax, currentOnly, replica } = query;
    const [row] = await this.#runner.query<PullRow>(PULL_PAGE, [
      workspaceId,
      projectId,
      since,
      limit,
      bytesMax,
      currentOnly,
      replica?.replicaId ?? null,
      replica?.seq ?? null,
      replica?.chain ?? null,
    ]);
    // An aggregate gives a row in any case.
    if (row === undefined || row.out_epoch === null) throw withoutWorkspace();
    return {
      epoch: row.out_epoch,
      lastCursor: Number(row.out_last),
      hasMore: row.out_more,
      items: (row.out_items ?? []).map(pulledChange),
    };
  }

  async history(query: StoreHistory): Promise<StorePage<LoggedVersion>> {
    const { workspaceId, entryIds, since, until, limit, bytesMax } = query;
    const rows = await this.#runner.query<HistoryRow>('SELECT * FROM server_history($1, $2, $3, $4, $5, $6)', [
      workspaceId,
      entryIds,
      since,
      until,
      limit,
      bytesMax,
    ]);
    return pageOf(rows, (row) => ({
      ...storedChange(row),
      receivedAt: Number(row.out_received_at),
      outcome: row.out_outcome,
      claimedAt: row.out_claimed_at === null ? null : Number(row.out_claimed_at),
    }));
  }

  async digest(query: StoreDigest): Promise<{ epoch: string; lastCursor: number; parts: DigestPart[] }> {
    const { workspaceId, projectId, ranges, parts, stampsMax } = query;
    const rows = await this.#runner.query<DigestRow>('SELECT * FROM server_digest($1, $2, $3::jsonb, $4, $5)', [
      workspaceId,
      projectId,
      JSON.stringify(ranges),
      parts,
      stampsMax,
    ]);
    const head = requireHead(rows);
    return {
      epoch: head.out_epoch,
      lastCursor: Number(head.out_last),
      parts: rows.flatMap((row) =>
        row.out_range === null
          ? []
          : {
              range: row.out_range - 1,
              firstId: row.out_first,
              count: Number(row.out_count),
              hash: row.out_hash,
              stamps: row.out_stamps,
            },
      ),
    };
  }

  watch(listener: (event: StoreEvent) => void): () => void {
    return this.#runner.watch(listener);
  }

  async ping(): Promise<void> {
    await this.#runner.query('SELECT 1', []);
  }

  close(): Promise<void> {
    return this.#runner.close();
  }
}

function pulledChange(item: PulledItem): StoredChange {
  const [cursor, changeId, base, replaces, named, replicaId, updatedAt, hash, content] = item;
  return {
    cursor,
    changeId,
    base,
    replaces: named === null ? replaces : [...replaces, ...named].slice(0, REPLACES_MAX),
    replicaId,
    hash,
    entry: { ...content, updatedAt },
  };
}

function storedChange(row: PageRow): Omit<StoredChange, 'hash'> {
  const content = JSON.parse(row.out_content) as EntryContent;
  const entry: Entry = { ...content, updatedAt: Number(row.out_updated_at) };
  return {
    cursor: Number(row.out_cursor),
    changeId: row.out_change_id,
    base: row.out_base,
    replaces: row.out_replaces,
    replicaId: row.out_replica_id,
    entry,
  };
}

/** The rows of a page; an empty page is one row without a cursor. */
function pageOf<Row extends PageRow, Item>(rows: Row[], toItem: (row: Row) => Item): StorePage<Item> {
  const head = requireHead(rows);
  return {
    epoch: head.out_epoch,
    lastCursor: Number(head.out_last),
    hasMore: head.out_more,
    items: rows.flatMap((row) => (row.out_cursor === null ? [] : [toItem(row)])),
  };
}

/** A workspace that a key belongs to exists: it is never removed. */
function requireHead<Row>(rows: Row[]): Row {
  const [head] = rows;
  if (head === undefined) throw withoutWorkspace();
  return head;
}

function withoutWorkspace(): Error {
  return new Error('the workspace of a key has no row');
}
