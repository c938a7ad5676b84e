/**
 * What a command is, and all that one may touch: everything with an effect comes in through `Context`, so that tests
 * run every command in memory. Types and the flags that all commands share; no behaviour.
 */
import type { Brain } from '../lib/brain/contract.ts';
import type { HostStatus } from '../lib/host/control.ts';
import type { Provenance } from '../lib/core/provenance.ts';
import type { Finding } from '../lib/host/doctor.ts';
import type { SetupAnswer } from '../lib/protocol/wire.ts';
import type { Account } from '../lib/scope/account.ts';
import type { Config } from '../lib/scope/config.ts';
import type { AuthChange } from '../lib/scope/config-file.ts';
import type { EmbeddingAddress } from '../lib/scope/embedding-settings.ts';
import type { CodePlace, LineRange } from '../lib/scope/git-place.ts';
import type { SyncRequest } from '../lib/sync/options.ts';
import type { SyncMode, SyncProgress, SyncReport } from '../lib/sync/report.ts';

export type {
  Account,
  AuthChange,
  EmbeddingAddress,
  Finding,
  HostStatus,
  SetupAnswer,
  SyncMode,
  SyncProgress,
  SyncReport,
};

/** Where data (stdout) or talk (stderr) goes. */
export interface Output {
  readonly isTerminal: boolean;
  /** Columns of the terminal; 0 where it is none. */
  readonly columns: number;
  /** Resolves once the text is handed over, so that awaiting it is the backpressure. @throws OutputClosed */
  write(text: string): Promise<void>;
}

export interface Input {
  readonly isTerminal: boolean;
  /** The raw bytes as they come; leaving the loop early lets go of the stream. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** Where this call works: the brain's directory, and the project and workspace that entries belong to. */
export interface Location {
  brainDirectory: string;
  workspaceId: string;
  workspaceSource: string;
  projectId: string;
  projectSource: string;
  /** What the project id was made from. */
  projectDetail: string;
  /** The agent named in the configuration file. */
  configAgent?: string;
  /** How long a host that this call starts stays without a client, in milliseconds. */
  hostIdleMs?: number;
}

export interface HostControl {
  status(options: { brainDirectory: string }): Promise<HostStatus>;
  stop(options: { brainDirectory: string; force?: boolean }): Promise<{ stopped: boolean; pid?: number }>;
  /** The path of the host's log. */
  logFile(brainDirectory: string): Promise<string>;
}

/** What `sm login` keeps in the configuration. */
export interface AccountControl {
  /** @throws SmError `config_invalid` */
  read(): Promise<Account>;
  /** Whether `write` could write; asked before a key is got that cannot be got twice. */
  checkWritable(): Promise<void>;
  write(change: AuthChange): Promise<void>;
}

/** The address that makes vectors of texts. */
export interface EmbeddingControl {
  /** What is configured. @throws SmError `config_invalid` */
  read(): Promise<EmbeddingAddress | undefined>;
  /** @throws SmError `unavailable`: it gives no vectors */
  attempt(address: EmbeddingAddress, signal: AbortSignal): Promise<{ dimensions: number }>;
  /** Undefined turns them off. */
  write(embeddings: Config['embeddings']): Promise<void>;
}

/** A key with what it belongs to, as the server tells it. */
export interface KeyOwner {
  workspaceId: string;
  projectId: string;
  workspaceName: string;
}

/** The server. `once` reports its failures; the others throw them. */
export interface SyncControl {
  once(request: SyncRequest): Promise<SyncReport>;
  signUp(options: {
    endpoint: string;
    email: string;
    workspaceName: string;
    invitation?: string;
  }): Promise<SetupAnswer>;
  resetKey(options: { endpoint: string; email: string; apiKey?: string }): Promise<SetupAnswer>;
  readKey(options: { endpoint: string; apiKey: string }): Promise<KeyOwner>;
}

/** How this very program came here: by `npm install -g` (with its prefix), as a checkout, or some other way. */
export interface Installation {
  kind: 'global' | 'checkout' | 'other';
  directory: string;
  prefix?: string;
}

/** npm, with the user's own settings. */
export interface PackageControl {
  installation(): Promise<Installation>;
  /** @throws SmError `unavailable` */
  newest(): Promise<string>;
  /** @throws SmError `unavailable`, `no_permission` */
  install(prefix: string, wanted: string): Promise<void>;
}

export interface Context {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** All commands there are; the group named "" holds those without a group. */
  readonly catalogue: readonly CommandGroup[];
  /**
   * The command line as it was given, each argument ended by a NUL, where the system tells (Linux): what is no UTF-8
   * has become U+FFFD in argv.
   */
  commandLine(): Uint8Array | undefined;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted when the user interrupts; a command tidies up what it left on disk. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after so long, or as soon as the user interrupts. */
  wait(delayMs: number): Promise<void>;
  /** A fresh UUID. */
  newId(): string;
  /** Where one is: in `directory`, or here. */
  locate(directory?: string): Promise<Location>;
  /** Where entries that are recorded in `directory`, or here, say that they were: `{}` where the user wants it so. */
  provenance(directory?: string): Promise<Provenance>;
  /** When a commit (a hash, a tag, a branch) of the repository around here was made; undefined where there is none. */
  commitTime(revision: string): Promise<number | undefined>;
  /** What git knows of a place in the code. @throws SmError `not_found` */
  placeInCode(file: string, lines: LineRange | undefined): Promise<CodePlace>;
  fileExists(file: string): Promise<boolean>;
  connect(options: {
    brainDirectory: string;
    inProcess: boolean;
    hostIdleMs?: number;
    onProgress?: (message: string) => void;
  }): Promise<Brain>;
  readonly host: HostControl;
  readonly account: AccountControl;
  readonly embeddings: EmbeddingControl;
  readonly sync: SyncControl;
  readonly packages: PackageControl;
  inspect(options: { brainDirectory: string; rebuild?: boolean }): Promise<Finding[]>;
}

/** A flag. `--title <text>` takes a value, `--json` is a switch, `--no-x` a switch named `no-x`. */
export interface OptionSpec {
  flags: string;
  summary: string;
  /** May be given more than once. */
  isRepeatable?: true;
  /** Its value is never repeated by a message. */
  isSecret?: true;
  /** The only values that it takes. */
  values?: readonly string[];
  /** Values worth offering on TAB, where others are welcome too. */
  suggestions?: readonly string[];
}

/** The flags of one call, with values exactly as typed. Names come without dashes. */
export interface Options {
  /** The value, or undefined where the flag was not given. */
  text(name: string): string | undefined;
  /** All values of a repeatable flag, in order. */
  texts(name: string): readonly string[];
  isSet(name: string): boolean;
}

/** A command's own module. `run` gives the exit code, or throws an SmError. */
export interface CommandModule {
  options: readonly OptionSpec[];
  examples: readonly string[];
  /** Paragraphs under the usage line of the help page. */
  notes?: string;
  run(context: Context, args: readonly string[], options: Options): Promise<number>;
}

/** A line of a group's table: all that is known of a command before its module is loaded. */
export interface CommandEntry {
  name: string;
  /** In cac's notation: `<id>`, `[file]`, `[...query]`. */
  args: string;
  summary: string;
  isHidden?: true;
  load(): Promise<{ command: CommandModule }>;
}

export interface CommandGroup {
  /** The first word, or "" for commands without a group. */
  name: string;
  summary: string;
  commands: readonly CommandEntry[];
}

export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { flags: '--json', summary: 'Print machine-readable JSON; errors too (on stderr)' },
  { flags: '--no-host', summary: 'Open the brain in this process instead of through its host' },
  { flags: '--no-color', summary: 'No colours, whatever the terminal' },
  { flags: '-h, --help', summary: 'Show this help' },
];

/** Shells that completion is made for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
