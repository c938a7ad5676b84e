/**
 * The brain as the portal sees it: one connection to its host for all viewers, opened when somebody looks and closed when
 * nobody does, so that the host may end; and a watch on what comes in. Owns no route and no page.
 */
import type { AnswerOf, Brain, OperationName, RequestOf } from '../lib/brain/contract.ts';
import type { LoggedChange } from '../lib/brain/log-contract.ts';

/** Where the portal's project is; asked anew now and then, since one may log in meanwhile. */
export interface BrainPlace {
  workspaceId: string;
  projectId: string;
  /** For people: `github.com/acme/app`, or the directory's name. */
  project: string;
  /** The server that the workspace is synced with, where there is one. */
  endpoint?: string;
}

export interface BrainRim {
  locate(): Promise<BrainPlace>;
  connect(): Promise<Brain>;
}

/** How long the connection is kept when nobody asks, in milliseconds. */
const KEPT_MS = 30_000;
/** How long a place is believed, in milliseconds. */
const PLACE_AGE_MAX_MS = 10_000;
const WATCH_INTERVAL_MS = 2_000;
/** Changes that one look tells of; of more, the newest. */
const CHANGES_MAX = 50;
export const WATCHERS_MAX = 32;

type Watcher = (changes: LoggedChange[]) => void;

export class BrainWindow {
  readonly #rim: BrainRim;
  readonly #watchers = new Set<Watcher>();
  #brain: Promise<Brain> | undefined;
  #place: { place: Promise<BrainPlace>; sinceMs: number } | undefined;
  #idle: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #lastSeq: number | undefined;

  constructor(rim: BrainRim) {
    this.#rim = rim;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  place(): Promise<BrainPlace> {
    const nowMs = performance.now();
    if (this.#place === undefined || nowMs - this.#place.sinceMs > PLACE_AGE_MAX_MS) {
      const place = this.#rim.locate();
      this.#place = { place, sinceMs: nowMs };
      place.catch(() => (this.#place = undefined));
    }
    return this.#place.place;
  }

  async run<O extends OperationName>(operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    this.#keep();
    this.#brain ??= this.#rim.connect();
    const opening = this.#brain;
    opening.catch(() => {
      if (this.#brain === opening) this.#brain = undefined;
    });
    return (await opening).run(operation, request);
  }

  /** Told of changes of the workspace as they arrive, from now on, until the answer is called. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    this.#watch ??= setInterval(() => void this.#look(), WATCH_INTERVAL_MS);
    void this.#look();
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size > 0) return;
      clearInterval(this.#watch);
      this.#watch = undefined;
      this.#lastSeq = undefined;
    };
  }

  close(): void {
    clearInterval(this.#watch);
    clearTimeout(this.#idle);
    this.#watchers.clear();
    this.#letGo();
  }

  /** A look that fails is made up for by the next one: what it would have told of is still new then. */
  async #look(): Promise<void> {
    try {
      const { workspaceId } = await this.place();
      const newest = await this.run('log', { scope: { workspaceId, projectId: null }, limit: CHANGES_MAX });
      const lastSeq = this.#lastSeq;
      this.#lastSeq = Math.max(lastSeq ?? 0, newest[0]?.seq ?? 0);
      const changes = lastSeq === undefined ? [] : newest.filter(({ seq }) => seq > lastSeq);
      if (changes.length > 0) for (const watcher of this.#watchers) watcher(changes);
    } catch {
      // The brain cannot be reached: pages are told so by what they ask themselves.
    }
  }

  #keep(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#letGo(), KEPT_MS);
    this.#idle.unref();
  }

  #letGo(): void {
    const brain = this.#brain;
    this.#brain = undefined;
    // It was opened for reading, or not at all: nothing can be lost by it.
    void brain?.then((opened) => opened.close()).catch(() => undefined);
  }
}
