/**
 * A client of protocol 1 as they are out there: it keeps current versions only, sends what has a greater `updatedAt` than
 * it last sent, and stores as its cursor the greater of what it saw and what it was told.
 */
import type { Entry } from '../../lib/core/entry.ts';

export type Post = (path: string, body: unknown) => Promise<{ status: number; body: unknown }>;

export class OldClient {
  readonly entries = new Map<string, Entry>();
  readonly #clientId: string;
  readonly #scope: { workspaceId: string; projectId: string };
  readonly #post: Post;
  #pushCursor = 0;
  #pullCursor = 0;

  constructor(clientId: string, { workspaceId, projectId }: { workspaceId: string; projectId: string }, post: Post) {
    this.#clientId = clientId;
    this.#scope = { workspaceId, projectId };
    this.#post = post;
  }

  write(entry: Entry): void {
    this.entries.set(entry.entryId, entry);
  }

  /** @param isAnswerLost the server has it, and the client does not know */
  async push(isAnswerLost = false): Promise<void> {
    const entries = [...this.entries.values()].filter(({ updatedAt }) => updatedAt > this.#pushCursor);
    if (entries.length === 0) return;
    const since = this.#pushCursor;
    const { status, body } = await this.#post('/v1/brain/push', { ...this.#envelope(), since, entries });
    if (status !== 200) throw new Error(`the server answered a push with ${status}: ${JSON.stringify(body)}`);
    if (isAnswerLost) return;
    const { serverCursor } = body as { serverCursor: number };
    this.#pushCursor = Math.max(serverCursor, ...entries.map(({ updatedAt }) => updatedAt));
  }

  async pull(): Promise<boolean> {
    const since = this.#pullCursor;
    const { status, body } = await this.#post('/v1/brain/pull', { ...this.#envelope(), since, limit: 200 });
    if (status !== 200) throw new Error(`the server answered a pull with ${status}: ${JSON.stringify(body)}`);
    const { entries, serverCursor, hasMore } = body as { entries: Entry[]; serverCursor: number; hasMore: boolean };
    for (const entry of entries) {
      const known = this.entries.get(entry.entryId);
      if (known === undefined || entry.updatedAt >= known.updatedAt) this.entries.set(entry.entryId, entry);
    }
    this.#pullCursor = Math.max(serverCursor, ...entries.map(({ updatedAt }) => updatedAt));
    return hasMore;
  }

  #envelope() {
    return { protocolVersion: 1, clientId: this.#clientId, ...this.#scope };
  }
}
