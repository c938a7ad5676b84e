/**
 * What a command is, and all that one may touch: everything with an effect comes in through `Context`, so that tests
 * run every command in memory. Types and the flags that all commands share; no behaviour.
 */
import type { Brain } from '../lib/brain/contract.ts';
import type { HostStatus } from '../lib/host/control.ts';
import type { Finding } from '../lib/host/doctor.ts';

export type { Finding, HostStatus };

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

export interface Context {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** All commands there are; the group named "" holds those without a group. */
  readonly catalogue: readonly CommandGroup[];
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted when the user interrupts; a command tidies up what it left on disk. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  now(): number;
  /** A fresh UUID. */
  newId(): string;
  locate(): Promise<Location>;
  connect(options: {
    brainDirectory: string;
    inProcess: boolean;
    hostIdleMs?: number;
    onProgress?: (message: string) => void;
  }): Promise<Brain>;
  readonly host: HostControl;
  inspect(options: { brainDirectory: string; rebuild?: boolean }): Promise<Finding[]>;
}

/** A flag. `--title <text>` takes a value, `--json` is a switch, `--no-x` a switch named `no-x`. */
export interface OptionSpec {
  flags: string;
  summary: string;
  /** May be given more than once. */
  isRepeatable?: true;
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
