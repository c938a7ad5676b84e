/**
 * Workspaces, keys, accounts and invitations in SQL. Owns what makes signing up race-free: an account's row decides who
 * was first, and an invitation is used in the same transaction. Secrets come in as hashes only.
 */
import type { Query, SqlRunner } from './sql-runner.ts';
import type {
  ChangeStore,
  InvitationListing,
  KeyListing,
  KeyRecord,
  NewSecret,
  NewWorkspace,
  SignUp,
  SignUpAnswer,
  WorkspaceListing,
} from './store.ts';

type Place = { workspaceId: string; projectId: string };
type Row = Record<string, string | number | null>;

/** Rows that a listing has at most. */
const LISTING_MAX = 10_000;

export class SqlDirectory {
  readonly #runner: SqlRunner;

  constructor(runner: SqlRunner) {
    this.#runner = runner;
  }

  async findKey(hash: string, nowMs: number): Promise<KeyRecord | undefined> {
    const [row] = await this.#runner.query<{
      out_hash: string;
      out_prefix: string;
      out_workspace_id: string;
      out_project_id: string;
      out_workspace_name: string;
      out_revoked_at: unknown;
    }>('SELECT * FROM server_key($1, $2)', [hash, nowMs]);
    if (row === undefined) return undefined;
    return {
      prefix: row.out_prefix,
      workspaceId: row.out_workspace_id,
      projectId: row.out_project_id,
      workspaceName: row.out_workspace_name,
      hash: row.out_hash,
      isRevoked: row.out_revoked_at !== null,
    };
  }

  signUp({ email, nowMs, key, workspace, invitationHash, isInvitationNeeded }: SignUp): Promise<SignUpAnswer> {
    return this.#inScope(async (query): Promise<SignUpAnswer> => {
      let invitedTo: string | null = null;
      if (invitationHash !== undefined || isInvitationNeeded) {
        const [invitation] = await query<{ workspace_id: string | null }>(
          `SELECT workspace_id FROM invitations WHERE hash = $1 AND used_at IS NULL AND revoked_at IS NULL
            AND expires_at > $2 AND (email IS NULL OR email = $3) FOR UPDATE`,
          [invitationHash ?? '', nowMs, email],
        );
        if (invitation === undefined && isInvitationNeeded) return { outcome: 'not_invited' };
        invitedTo = invitation?.workspace_id ?? null;
      }
      const workspaceId = invitedTo ?? workspace.workspaceId;
      const taken = await query(
        `INSERT INTO accounts (email, workspace_id, created_at) VALUES ($1, $2, $3)
          ON CONFLICT (email) DO NOTHING RETURNING email`,
        [email, workspaceId, nowMs],
      );
      if (taken.length === 0) return { outcome: 'exists', ...(await requireAccount(query, email)) };
      if (invitedTo === null) await insertWorkspace(query, workspace, nowMs);
      await query('UPDATE invitations SET used_at = $2 WHERE hash = $1', [invitationHash ?? '', nowMs]);
      await insertKey(query, { ...key, workspaceId, email, name: email, nowMs });
      return { outcome: 'created', ...(await requireAccount(query, email)) };
    });
  }

  findAccount(email: string): Promise<Place | undefined> {
    return this.#inScope((query) => readAccount(query, email));
  }

  async resetKeys(request: { email: string; key: NewSecret; nowMs: number }): Promise<Place | undefined> {
    const { email, key, nowMs } = request;
    const { account, revoked } = await this.#inScope(async (query) => {
      const account = await readAccount(query, email);
      if (account === undefined) return { account, revoked: [] };
      const revoked = await query<{ prefix: string }>(
        `UPDATE api_keys SET revoked_at = $2 WHERE email = $1 AND revoked_at IS NULL
          RETURNING prefix, pg_notify('stackmemory', 'revoked ' || prefix)`,
        [email, nowMs],
      );
      await insertKey(query, { ...key, workspaceId: account.workspaceId, email, name: email, nowMs });
      return { account, revoked };
    });
    for (const { prefix } of revoked) this.#runner.announce({ kind: 'revoked', prefix });
    return account;
  }

  async listWorkspaces(): Promise<WorkspaceListing[]> {
    const rows = await this.#list('workspaces', 'created_at, workspace_id');
    return rows.map((row) => ({
      workspaceId: String(row['workspace_id']),
      name: String(row['name']),
      projectId: String(row['project_id']),
      createdAt: Number(row['created_at']),
      lastCursor: Number(row['last_cursor']),
    }));
  }

  createKey(request: Parameters<ChangeStore['createKey']>[0], newWorkspace?: NewWorkspace): Promise<void> {
    return this.#inScope(async (query) => {
      if (newWorkspace !== undefined) await insertWorkspace(query, newWorkspace, request.nowMs);
      await insertKey(query, request);
    });
  }

  async listKeys(): Promise<KeyListing[]> {
    const rows = await this.#list('api_keys', 'created_at, prefix');
    return rows.map((row) => ({
      prefix: String(row['prefix']),
      workspaceId: String(row['workspace_id']),
      email: textOf(row['email']),
      name: String(row['name']),
      createdAt: Number(row['created_at']),
      revokedAt: numberOf(row['revoked_at']),
      lastUsedAt: numberOf(row['last_used_at']),
    }));
  }

  async revokeKey(prefix: string, nowMs: number): Promise<boolean> {
    const revoked = await this.#inScope((query) =>
      query(
        `UPDATE api_keys SET revoked_at = $2 WHERE prefix = $1 AND revoked_at IS NULL
          RETURNING prefix, pg_notify('stackmemory', 'revoked ' || prefix)`,
        [prefix, nowMs],
      ),
    );
    if (revoked.length > 0) this.#runner.announce({ kind: 'revoked', prefix });
    return revoked.length > 0;
  }

  createInvitation(request: Parameters<ChangeStore['createInvitation']>[0]): Promise<void> {
    return this.#inScope(async (query) => {
      await query(
        `INSERT INTO invitations (hash, prefix, email, workspace_id, created_at, expires_at)
          VALUES ($1, $2, $3, $4, $5, $6)`,
        [request.hash, request.prefix, request.email, request.workspaceId, request.nowMs, request.expiresAt],
      );
    });
  }

  async listInvitations(): Promise<InvitationListing[]> {
    const rows = await this.#list('invitations', 'created_at, prefix');
    return rows.map((row) => ({
      prefix: String(row['prefix']),
      email: textOf(row['email']),
      workspaceId: textOf(row['workspace_id']),
      createdAt: Number(row['created_at']),
      expiresAt: Number(row['expires_at']),
      usedAt: numberOf(row['used_at']),
      revokedAt: numberOf(row['revoked_at']),
    }));
  }

  async revokeInvitation(prefix: string, nowMs: number): Promise<boolean> {
    const revoked = await this.#inScope((query) =>
      query(
        `UPDATE invitations SET revoked_at = $2
          WHERE prefix = $1 AND revoked_at IS NULL AND used_at IS NULL RETURNING prefix`,
        [prefix, nowMs],
      ),
    );
    return revoked.length > 0;
  }

  async lastCursor(workspaceId: string): Promise<number> {
    const [row] = await this.#inScope((query) =>
      query<{ last_cursor: string | number }>('SELECT last_cursor FROM workspaces WHERE workspace_id = $1', [
        workspaceId,
      ]),
    );
    return Number(row?.last_cursor ?? 0);
  }

  async readEpoch(): Promise<string> {
    const [row] = await this.#runner.query<{ value: string }>(`SELECT value FROM server_meta WHERE key = 'epoch'`, []);
    if (row === undefined) throw new Error('the server has no epoch');
    return row.value;
  }

  async renewEpoch(epoch: string): Promise<void> {
    await this.#runner.write(
      `INSERT INTO server_meta (key, value) VALUES ('epoch', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
      [epoch],
      epoch.length,
    );
  }

  #list(table: 'workspaces' | 'api_keys' | 'invitations', order: string): Promise<Row[]> {
    return this.#inScope((query) => query<Row>(`SELECT * FROM ${table} ORDER BY ${order} LIMIT ${LISTING_MAX}`, []));
  }

  /** A transaction that may see the directory of all workspaces. */
  #inScope<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return this.#runner.transaction(async (query) => {
      await query(`SELECT set_config('stackmemory.scope', 'server', true)`, []);
      return work(query);
    });
  }
}

async function readAccount(query: Query, email: string): Promise<Place | undefined> {
  const [row] = await query<{ workspace_id: string; project_id: string }>(
    `SELECT a.workspace_id, w.project_id FROM accounts a JOIN workspaces w ON w.workspace_id = a.workspace_id
      WHERE a.email = $1`,
    [email],
  );
  return row === undefined ? undefined : { workspaceId: row.workspace_id, projectId: row.project_id };
}

async function requireAccount(query: Query, email: string): Promise<Place> {
  const account = await readAccount(query, email);
  if (account === undefined) throw new Error('an account without a workspace');
  return account;
}

async function insertWorkspace(query: Query, workspace: NewWorkspace, nowMs: number): Promise<void> {
  await query('INSERT INTO workspaces (workspace_id, name, project_id, created_at) VALUES ($1, $2, $3, $4)', [
    workspace.workspaceId,
    workspace.name,
    workspace.projectId,
    nowMs,
  ]);
}

async function insertKey(query: Query, request: Parameters<ChangeStore['createKey']>[0]): Promise<void> {
  const { hash, prefix, workspaceId, email, name, nowMs } = request;
  await query(
    `INSERT INTO api_keys (hash, prefix, workspace_id, email, name, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
    [hash, prefix, workspaceId, email ?? null, name, nowMs],
  );
}

function textOf(value: string | number | null | undefined): string | null {
  return value == null ? null : String(value);
}

function numberOf(value: string | number | null | undefined): number | null {
  return value == null ? null : Number(value);
}
