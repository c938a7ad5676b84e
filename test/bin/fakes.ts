/** A brain in memory and a world around a command, so that the command line is tested without a process or a disk. */
import type { AnswerOf, Brain, OperationName, RequestOf } from '../../lib/brain/contract.ts';
import type { Conflict, HistoryVersion, LoggedChange } from '../../lib/brain/log-contract.ts';
import type { ContextPack, EmbeddingState, WhyMatch } from '../../lib/brain/recall-contract.ts';
import { draftToContent, type Entry, parseDraft, parseEdit, parseEntry } from '../../lib/core/entry.ts';
import { standingAfter } from '../../lib/core/standing.ts';
import { SmError } from '../../lib/core/errors.ts';
import { mergeOutcome } from '../../lib/core/merge.ts';
import { hashContent } from '../../lib/protocol/hash.ts';
import type { Config } from '../../lib/scope/config.ts';
import type { CodePlace, LineRange } from '../../lib/scope/git-place.ts';
import type {
  Account,
  Context,
  EmbeddingAddress,
  Finding,
  HostStatus,
  Installation,
  Output,
} from '../../bin/command.ts';
import { CATALOGUE } from '../../bin/commands/groups.ts';
import { main } from '../../bin/main.ts';
import { createServer, type FakeServer, NOW_MS, type ServerLog, syncStateOf } from './fake-server.ts';

export { NOW_MS };

export function idOf(number: number): string {
  return `01980c2e-${number.toString(16).padStart(4, '0')}-7abc-8def-0123456789ab`;
}

export function entryOf(fields: Partial<Entry> = {}): Entry {
  return {
    entryId: idOf(1),
    workspaceId: 'w',
    projectId: 'p',
    agent: 'claude',
    kind: 'insight',
    title: 'Retries hide the race',
    summary: 'The checkout test was flaky.',
    conclusion: 'Lock the row first.',
    tags: ['store'],
    refs: ['src/a.ts'],
    confidence: 0.8,
    status: 'active',
    createdAt: NOW_MS - 3 * 3_600_000,
    updatedAt: NOW_MS - 3 * 3_600_000,
    ...fields,
  };
}

export interface Call {
  operation: OperationName;
  request: unknown;
}

export class FakeBrain implements Brain {
  readonly calls: Call[] = [];
  readonly log: LoggedChange[] = [];
  readonly entries = new Map<string, Entry>();
  readonly conflicts: Conflict[] = [];
  sync = syncStateOf();
  /** Entries of no workspace that wait for being adopted. */
  unadopted = 0;
  /** Entries by workspace, where they are not those of `status`. */
  readonly counts = new Map<string, number>();
  pack: ContextPack = { text: '', tokens: 0, budget: 2_000, entries: [], omitted: 0 };
  matched: WhyMatch[] = [];
  vectors: EmbeddingState | undefined;
  /** Nothing is relevant; a loose question finds all there is. */
  hasMissesOnly = false;
  isClosed = false;
  /** Thrown by the next call. */
  failure: Error | undefined;
  nextNumber = 1;

  async run<O extends OperationName>(operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    this.calls.push({ operation, request });
    if (this.failure !== undefined) throw this.failure;
    return (await this.#answer(operation, request as never)) as AnswerOf<O>;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  lastRequest<O extends OperationName>(operation: O): RequestOf<O> {
    const call = this.calls.findLast((made) => made.operation === operation);
    if (call === undefined) throw new Error(`${operation} was not called`);
    return call.request as RequestOf<O>;
  }

  put(entry: Entry, changeId = `c-${this.log.length}`): LoggedChange {
    const { updatedAt, ...content } = entry;
    const hash = hashContent(content);
    const current = this.entries.get(entry.entryId);
    const currentStamp = current && { updatedAt: current.updatedAt, hash: this.#hash(current) };
    const outcome = mergeOutcome(currentStamp, { updatedAt, hash });
    if (outcome === 'applied') this.entries.set(entry.entryId, entry);
    const change = {
      seq: this.log.length + 1,
      changeId,
      base: null,
      hash,
      replicaId: '00000000-0000-4000-8000-000000000001',
      receivedAt: NOW_MS,
      origin: 'local',
      outcome,
      replaces: [],
      withdraws: null,
      entry,
    };
    this.log.push(change);
    return change;
  }

  #hash({ updatedAt: _, ...content }: Entry): string {
    return hashContent(content);
  }

  #find(prefix: string): Entry {
    const found = [...this.entries.values()].filter((entry) => prefix !== '' && entry.entryId.startsWith(prefix));
    if (found.length > 1) {
      throw new SmError({
        code: 'ambiguous',
        message: `${found.length} entries begin so.`,
        details: { candidates: found.map(({ entryId, title }) => ({ entryId, title })) },
      });
    }
    if (found[0] === undefined) throw new SmError({ code: 'not_found', message: 'No entry has that id.' });
    return found[0];
  }

  async #answer(operation: OperationName, request: never): Promise<unknown> {
    switch (operation) {
      case 'record': {
        const { drafts, scope, agent } = request as RequestOf<'record'>;
        return drafts.map((input) => {
          const filled = { ...scope, agent, entryId: idOf(this.nextNumber++), nowMs: NOW_MS };
          const entry = { ...draftToContent(parseDraft(input), filled), updatedAt: NOW_MS };
          this.put(entry);
          return entry;
        });
      }
      case 'edit': {
        const { reference, edit } = request as RequestOf<'edit'>;
        const entry = { ...this.#find(reference.idOrPrefix), ...parseEdit(edit), updatedAt: NOW_MS };
        this.put(entry);
        return entry;
      }
      case 'supersede': {
        const { oldId, newId } = request as RequestOf<'supersede'>;
        const replacement = this.#find(newId);
        const old = { ...this.#find(oldId), status: 'superseded' as const, supersededBy: replacement.entryId };
        return { old, new: replacement };
      }
      case 'feedback': {
        const { reference, verdict } = request as RequestOf<'feedback'>;
        const entry = this.#find(reference.idOrPrefix);
        return { ...entry, confidence: standingAfter(entry.confidence, verdict) };
      }
      case 'retract':
        return { ...this.#find((request as RequestOf<'retract'>).reference.idOrPrefix), status: 'retracted' };
      case 'show':
        return this.#find((request as RequestOf<'show'>).idOrPrefix);
      case 'history': {
        const entry = this.#find((request as RequestOf<'history'>).idOrPrefix);
        const versions = this.log.filter((change) => change.entry.entryId === entry.entryId).toReversed();
        return versions.map((change, index): HistoryVersion => ({
          ...change,
          isCurrent: index === 0,
          reason: index === 0 ? 'newest' : 'older',
        }));
      }
      case 'recall':
        if (this.hasMissesOnly && (request as RequestOf<'recall'>).isLoose !== true) return [];
        return [...this.entries.values()].map((entry) => ({
          ...entry,
          score: 0.5,
          matched: [],
          reasons: { words: 0.5, order: 0, lowered: 0, relevance: this.hasMissesOnly ? 0.1 : 0.5 },
        }));
      case 'context':
        return this.pack;
      case 'embeddingState':
        return this.vectors;
      case 'why':
        return [...this.entries.values()].map((entry) => ({ ...entry, matched: this.matched }));
      case 'list':
        return [...this.entries.values()].slice(0, (request as RequestOf<'list'>).limit);
      case 'log':
        return this.log;
      case 'logPage': {
        const { afterSeq, limit } = request as RequestOf<'logPage'>;
        const rest = this.log.filter((change) => change.seq > afterSeq);
        return { changes: rest.slice(0, limit), hasMore: rest.length > limit };
      }
      case 'import': {
        const result = { applied: 0, superseded: 0, duplicate: 0 };
        for (const change of (request as RequestOf<'import'>).changes) {
          const isKnown = this.log.some((known) => known.changeId === change.changeId);
          if (isKnown) result.duplicate += 1;
          else result[this.put(parseEntry(change.entry), change.changeId).outcome] += 1;
        }
        return result;
      }
      case 'conflicts': {
        const { idOrPrefix, limit } = request as RequestOf<'conflicts'>;
        const entryId = idOrPrefix === undefined ? undefined : this.#find(idOrPrefix).entryId;
        return this.conflicts
          .filter(({ current }) => (entryId ?? current.entry.entryId) === current.entry.entryId)
          .slice(0, limit);
      }
      case 'resolve': {
        const { reference, edit } = request as RequestOf<'resolve'>;
        return { ...this.#find(reference.idOrPrefix), ...(edit === undefined ? {} : parseEdit(edit)) };
      }
      case 'adopt': {
        const adopted = Math.min(this.unadopted, (request as RequestOf<'adopt'>).limit);
        this.unadopted -= adopted;
        return { adopted, remaining: this.unadopted };
      }
      case 'syncState':
      case 'syncStanding':
        return this.sync;
      case 'status': {
        const { workspaceId } = (request as RequestOf<'status'>).scope;
        const active = workspaceId === '' ? this.unadopted : (this.counts.get(workspaceId) ?? 2);
        return {
          repoEntries: 1,
          orgEntries: 2,
          byStatus: { active, superseded: 0, retracted: 0 },
          byKind: { experiment: 0, decision: 0, insight: 2, note: 0 },
          changes: 3,
          entries: 2 + this.unadopted,
          lastChangeAt: NOW_MS,
          replicaId: '00000000-0000-4000-8000-000000000001',
          clockRegressionMs: 0,
          storeBytes: 12_345_678,
          directory: '/home/u/.stackmemory/brain',
        };
      }
      default:
        throw new Error(`the fake brain does not know ${operation}`);
    }
  }
}

export class FakeOutput implements Output {
  text = '';
  readonly isTerminal: boolean;
  readonly columns: number;
  /** Thrown by writes. */
  failure: Error | undefined;

  constructor(columns = 0) {
    this.isTerminal = columns > 0;
    this.columns = columns;
  }

  async write(text: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.text += text;
  }
}

interface Place {
  file: string;
  lines: LineRange | undefined;
}

export interface World extends ServerLog {
  brain: FakeBrain;
  context: Context;
  stdout: FakeOutput;
  stderr: FakeOutput;
  /** Bytes that were taken from stdin. */
  readBytes: () => number;
  /** Whether the brain was opened in this process, for every opening. */
  openings: boolean[];
  /** The delays that were waited for, in milliseconds. */
  waits: number[];
  /** The places in the code that git was asked about. */
  places: Place[];
  /** What npm was told to install: prefix and version. */
  installed: string[];
  embeddingsWritten: Config['embeddings'][];
}

export interface WorldOptions {
  env?: Record<string, string>;
  columns?: number;
  /** What the system has of the command line. */
  commandLine?: Uint8Array;
  stdin?: Iterable<Uint8Array> | string;
  isStdinTerminal?: boolean;
  brain?: FakeBrain;
  configAgent?: string;
  findings?: Finding[];
  hostStatus?: HostStatus;
  installation?: Installation;
  newest?: string;
  logFile?: string;
  signal?: AbortSignal;
  account?: Account;
  workspaceSource?: string;
  /** What git knows of any place in the code. */
  code?: Partial<CodePlace>;
  files?: string[];
  server?: FakeServer;
  embeddings?: EmbeddingAddress;
  /** What trying an address comes to. */
  embeddingFailure?: SmError;
  /** Called at every wait of a command. */
  onWait?: (waits: readonly number[]) => void;
}

export function createWorld(options: WorldOptions = {}): World {
  const brain = options.brain ?? new FakeBrain();
  const stdout = new FakeOutput(options.columns);
  const stderr = new FakeOutput(options.columns);
  const openings: boolean[] = [];
  let readBytes = 0;
  const input = typeof options.stdin === 'string' ? [Buffer.from(options.stdin)] : (options.stdin ?? []);
  let ids = 0;
  const waits: number[] = [];
  const installed: string[] = [];
  const embeddingsWritten: Config['embeddings'][] = [];
  const places: Place[] = [];
  const { asked, written, ...server } = createServer(options.account, options.server);
  const context: Context = {
    env: options.env ?? {},
    version: '1.2.3',
    catalogue: CATALOGUE,
    commandLine: () => options.commandLine,
    stdin: {
      isTerminal: options.isStdinTerminal ?? false,
      async *chunks() {
        for (const chunk of input) {
          readBytes += chunk.length;
          yield chunk;
        }
      },
    },
    stdout,
    stderr,
    signal: options.signal ?? new AbortController().signal,
    now: () => NOW_MS,
    wait: async (delayMs) => {
      waits.push(delayMs);
      options.onWait?.(waits);
    },
    ...server,
    newId: () => `00000000-0000-4000-8000-${String((ids += 1)).padStart(12, '0')}`,
    commitTime: () => Promise.resolve(undefined),
    provenance: () => Promise.resolve({}),
    placeInCode: (file, lines) => {
      places.push({ file, lines });
      return Promise.resolve({ commits: [], lineCommits: 0, paths: [file], keys: [], warnings: [], ...options.code });
    },
    fileExists: (file) => Promise.resolve(options.files?.includes(file) === true),
    locate: async () => ({
      brainDirectory: '/home/u/.stackmemory/brain',
      workspaceId: 'w',
      workspaceSource: options.workspaceSource ?? 'config',
      projectId: 'p',
      projectSource: 'origin',
      projectDetail: 'github.com/a/b',
      ...(options.configAgent === undefined ? {} : { configAgent: options.configAgent }),
    }),
    connect: async ({ inProcess }) => {
      openings.push(inProcess);
      return brain;
    },
    host: {
      status: async () => options.hostStatus ?? { running: false },
      stop: async () => ({ stopped: false }),
      logFile: async () => options.logFile ?? '/nowhere/host.log',
    },
    packages: {
      installation: async () => options.installation ?? { kind: 'global', directory: '/opt/x', prefix: '/opt' },
      newest: async () => options.newest ?? '1.2.3',
      install: async (prefix, wanted) => {
        installed.push(`${prefix} ${wanted}`);
      },
    },
    inspect: async () => options.findings ?? [],
    embeddings: {
      read: async () => options.embeddings,
      attempt: async () => {
        if (options.embeddingFailure !== undefined) throw options.embeddingFailure;
        return { dimensions: 768 };
      },
      write: async (embeddings) => void embeddingsWritten.push(embeddings),
    },
  };
  return {
    brain,
    context,
    stdout,
    stderr,
    readBytes: () => readBytes,
    openings,
    asked,
    written,
    waits,
    places,
    installed,
    embeddingsWritten,
  };
}

export interface Outcome extends World {
  code: number;
  out: string;
  err: string;
  /** stdout as JSON. */
  json: () => unknown;
}

/** Runs `sm` with `argv` in a fake world. */
export async function sm(argv: readonly string[], options: WorldOptions = {}): Promise<Outcome> {
  const world = createWorld(options);
  const code = await main(argv, world.context);
  return {
    ...world,
    code,
    out: world.stdout.text,
    err: world.stderr.text,
    json: () => JSON.parse(world.stdout.text) as unknown,
  };
}
