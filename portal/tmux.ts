/**
 * What the portal asks of tmux. Every call is a list of arguments, never a line for a shell; names are checked before,
 * and a program to run stands after `--`, as at least two words, since tmux hands a single one to a shell.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { SmError } from '../lib/core/errors.ts';
import { SESSION_NAME } from './protocol.ts';

const CALL_TIMEOUT_MS = 5_000;
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
const SESSIONS_MAX = 200;
/** How long a server that somebody else starts is waited for. */
const SERVER_PATIENCE_MS = 10_000;
const SERVER_POLL_MS = 250;
/** `refresh-client -f` and `attach-session -f` came with it. */
const VERSION_NEEDED = [3, 2] as const;

/** What tmux keeps of a pane that nobody chose otherwise for; whoever was away for longer has lost what came before. */
const HISTORY_LINES_DEFAULT = '2000';
const HISTORY_LINES = '50000';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface TmuxSession {
  name: string;
  createdMs: number;
  activityMs: number;
  /** Its bell rang while nobody looked. */
  hasRung: boolean;
  /** Of the pane that is shown: which it is, and how many lines have left its screen. */
  pane: string;
  historyLines: number;
}

export interface NewSession {
  name: string;
  argv: readonly [string, ...string[]];
  cwd: string;
  columns: number;
  rows: number;
}

interface Outcome {
  isFine: boolean;
  out: string;
  complaint: string;
}

export class Tmux {
  readonly #env: Environment;
  readonly #startsServer: boolean;
  readonly #patienceMs: number;

  /** @param startsServer whether a missing server is started here; else it is another's to start, and is waited for */
  constructor(env: Environment, startsServer = true, patienceMs = CALL_TIMEOUT_MS) {
    this.#startsServer = startsServer;
    this.#patienceMs = patienceMs;
    // Inside tmux it would refuse to nest.
    const { TMUX: _tmux, TMUX_PANE: _pane, ...rest } = env;
    this.#env = { ...rest, COLORTERM: 'truecolor' };
  }

  /** What terminals are started with. */
  get env(): Environment {
    return this.#env;
  }

  /** @throws SmError `unavailable` where tmux is missing or too old */
  async check(): Promise<string> {
    const { out } = await this.#call(['-V']);
    const match = /(\d+)\.(\d+)/.exec(out);
    const [major, minor] = [Number(match?.[1] ?? VERSION_NEEDED[0]), Number(match?.[2] ?? VERSION_NEEDED[1])];
    if (major > VERSION_NEEDED[0] || (major === VERSION_NEEDED[0] && minor >= VERSION_NEEDED[1])) return out.trim();
    throw new SmError({
      code: 'unavailable',
      message: `${out.trim()} is too old for the portal, which needs tmux ${VERSION_NEEDED.join('.')}.`,
      hint: 'Install a newer tmux, or start the portal with --no-tmux.',
    });
  }

  /** A client that is told what a session's programs write, without a size of its own or a say in anything. */
  controlArgv(name: string): { file: string; args: string[]; env: Environment } {
    // After some seconds without being read it is sent no more of a pane, until it asks for it (which a read-only one may not).
    const flags = 'ignore-size,pause-after=5';
    // -N: watching starts no server where the last session has just ended.
    const args = ['-u', '-N', '-C', 'attach-session', '-t', `=${checkName(name)}`, '-f', flags];
    return { file: 'tmux', args, env: this.#env };
  }

  /** The processes of all clients in control mode. */
  async controlClients(): Promise<number[]> {
    const { isFine, out } = await this.#call(['list-clients', '-F', '#{client_control_mode} #{client_pid}']);
    return isFine ? [...out.matchAll(/^1 (\d+)$/gm)].map(([, pid]) => Number(pid)) : [];
  }

  /** What stands on the screen of the session's current pane. */
  async screen(name: string): Promise<string> {
    return (await this.#call(['capture-pane', '-p', '-t', targetOf(name)])).out;
  }

  /** Sessions whose names the portal can take, in tmux' order. */
  async list(): Promise<TmuxSession[]> {
    const { isFine, out } = await this.#call([
      'list-sessions',
      '-F',
      '#{session_created} #{session_activity} #{?#{m:*!*,#{session_alerts}},1,0} #{pane_id} #{history_size} #{session_name}',
    ]);
    if (!isFine) return []; // No server, so no session.
    const sessions = out.split('\n').flatMap((line) => {
      const [created, activity, rung, pane = '', lines, name] = line.split(' ');
      if (name === undefined || !SESSION_NAME.test(name) || line.split(' ').length !== 6) return [];
      const times = { createdMs: Number(created) * 1000, activityMs: Number(activity) * 1000 };
      return [{ name, ...times, hasRung: rung === '1', pane, historyLines: Number(lines) }];
    });
    return sessions.slice(0, SESSIONS_MAX);
  }

  async has(name: string): Promise<boolean> {
    return (await this.#call(['has-session', '-t', `=${checkName(name)}`])).isFine;
  }

  /** Makes the session where it is missing. @throws SmError where it cannot be made */
  async ensure({ name, argv, cwd, columns, rows }: NewSession): Promise<void> {
    checkName(name);
    if (await this.has(name)) return;
    const hadServer = this.#startsServer ? await this.#hasServer() : await this.#untilServer(name);
    if (await this.has(name)) return;
    const words = argv.length === 1 ? ['/bin/sh', '-c', 'exec "$0" "$@"', ...argv] : argv;
    // The directory is the caller's own: as `-c` its text would be expanded, `#(…)` included.
    const made = await this.#call(
      [
        ...(this.#startsServer ? [] : ['-N']),
        ...(this.#startsServer ? ['start-server', ';'] : []),
        ...RAISE_HISTORY,
        ';',
        ...['new-session', '-d', '-s', name, '-x', String(columns), '-y', String(rows), '--'],
        ...words.map(escapeLastSemicolon),
      ],
      cwd,
    );
    await this.#call(RESTORE_HISTORY);
    if (!made.isFine && !(await this.has(name))) throw refusal(`tmux could not make the session ${name}`, made);
    await this.#call(['set-option', '-t', `=${name}:`, 'mouse', 'on']);
    // Lets programs copy to the viewer's clipboard (which asks). Not done to a server that was somebody else's before.
    if (!hadServer) await this.#call(['set-option', '-s', 'set-clipboard', 'on']);
  }

  async #hasServer(): Promise<boolean> {
    return (await this.#call(['list-sessions'])).isFine;
  }

  /** Whoever starts the server may be just about to. @throws SmError `unavailable` where it does not come */
  async #untilServer(name: string): Promise<true> {
    const deadline = performance.now() + SERVER_PATIENCE_MS;
    while (!(await this.#hasServer())) {
      if (performance.now() > deadline) throw serverMissing(name);
      await new Promise((resolve) => setTimeout(resolve, SERVER_POLL_MS));
    }
    return true;
  }

  async rename(name: string, to: string): Promise<void> {
    const done = await this.#call(['rename-session', '-t', `=${checkName(name)}`, '--', checkName(to)]);
    if (!done.isFine) throw refusal(`The session ${name} could not be renamed`, done);
  }

  async end(name: string): Promise<void> {
    const done = await this.#call(['kill-session', '-t', `=${checkName(name)}`]);
    if (!done.isFine) throw refusal(`The session ${name} could not be ended`, done);
  }

  /** Turns the session's pane to the next older or newer place that has the text; without a text, to its end. */
  async find(name: string, text: string, direction: 'older' | 'newer'): Promise<boolean> {
    const target = targetOf(name);
    if (text === '') return (await this.#call(['send-keys', '-t', target, '-X', 'cancel'])).isFine;
    const search = direction === 'older' ? 'search-backward-text' : 'search-forward-text';
    const { out } = await this.#call([
      ...inHistory(target, search, escapeLastSemicolon(text)),
      ...[';', 'display-message', '-p', '-t', target, '#{search_match}'],
    ]);
    // What stands under the cursor afterwards; where nothing is found it stays where it was.
    return out.replace(/\n$/, '').toLowerCase() === text.toLowerCase();
  }

  /** Turns the session's pane back by so many lines. */
  async back(name: string, lines: number): Promise<void> {
    await this.#call(inHistory(targetOf(name), 'goto-line', String(lines)));
  }

  /** What a viewer runs. `ignoresSize` leaves the size of the session to the others. */
  attachArgv(name: string, { isReadOnly, ignoresSize }: { isReadOnly: boolean; ignoresSize: boolean }): string[] {
    const flags = [...(isReadOnly ? ['read-only'] : []), ...(ignoresSize ? ['ignore-size'] : [])];
    return [
      ...['tmux', '-u', '-N', '-T', '256,RGB', 'attach-session', '-t', `=${checkName(name)}`],
      ...(flags.length > 0 ? ['-f', flags.join(',')] : []),
    ];
  }

  /** The sessions that clients show, by the clients' processes; those whose names the portal can take. */
  async attached(): Promise<Map<number, string>> {
    const { isFine, out } = await this.#call(['list-clients', '-F', '#{client_pid} #{session_name}']);
    const pairs = isFine ? out.split('\n').map((line) => /^(\d+) (.+)$/.exec(line)) : [];
    return new Map(
      pairs.flatMap((pair) =>
        pair?.[2] !== undefined && SESSION_NAME.test(pair[2]) ? [[Number(pair[1]), pair[2]]] : [],
      ),
    );
  }

  /** Whether the client with that process decides about the size. Of a client that is gone nothing is asked. */
  async setIgnoresSize(pid: number, ignoresSize: boolean): Promise<void> {
    const { out } = await this.#call(['list-clients', '-F', '#{client_pid} #{client_name}']);
    const line = out.split('\n').find((candidate) => candidate.startsWith(`${pid} `));
    if (line === undefined) return;
    const client = line.slice(`${pid} `.length);
    await this.#call(['refresh-client', '-t', client, '-f', ignoresSize ? 'ignore-size' : '!ignore-size']);
  }

  /** Resolves whatever tmux says. @throws SmError `unavailable` where tmux is missing or does not answer */
  #call(args: readonly string[], cwd?: string): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const options = {
        env: this.#env as NodeJS.ProcessEnv,
        timeout: this.#patienceMs,
        maxBuffer: OUTPUT_BYTES_MAX,
        ...(cwd === undefined ? {} : { cwd }),
      };
      const child = execFile('tmux', ['-u', ...args], options, (error, out, complaint) => {
        // A client of tmux that is told to end says that all went well.
        if (child.killed) return reject(tmuxSilent(this.#patienceMs));
        const isMissing = (error as NodeJS.ErrnoException | null)?.code === 'ENOENT';
        if (isMissing && (cwd === undefined || fs.existsSync(cwd))) reject(tmuxMissing(error));
        else resolve({ isFine: error === null, out, complaint: complaint || (error?.message ?? '') });
      });
    });
  }
}

/** The session's present pane. */
function targetOf(name: string): string {
  return `=${checkName(name)}:`;
}

/** Turns to the pane's history, which is left by itself at its end, and does something there. */
function inHistory(target: string, ...command: string[]): string[] {
  return ['copy-mode', '-e', '-t', target, ';', 'send-keys', '-t', target, '-X', ...command];
}

/**
 * A pane's history is as long as tmux' option says at the moment in which it is made, and there is no other way to tell it. So
 * the option is another one for that moment, where it is the one that nobody chose.
 */
const RAISE_HISTORY = [
  'if-shell',
  '-F',
  `#{==:#{history-limit},${HISTORY_LINES_DEFAULT}}`,
  `set-option -g history-limit ${HISTORY_LINES} ; set-option -g @stackmemory-raised 1`,
];
const RESTORE_HISTORY = [
  'if-shell',
  '-F',
  '#{@stackmemory-raised}',
  `set-option -g history-limit ${HISTORY_LINES_DEFAULT} ; set-option -gu @stackmemory-raised`,
];

/** Even as an argument of its own tmux takes a last semicolon for the end of a command. */
function escapeLastSemicolon(argument: string): string {
  return argument.endsWith(';') ? `${argument.slice(0, -1)}\\;` : argument;
}

/** @throws SmError `bad_request` for a name that tmux or a reader could take for something else */
export function checkName(name: string): string {
  if (SESSION_NAME.test(name)) return name;
  throw new SmError({
    code: 'bad_request',
    message: 'The name of a session has 1 to 64 letters, digits, "-" and "_", and does not begin with "-".',
    hint: 'For example: --session claude',
  });
}

function tmuxSilent(patienceMs: number): SmError {
  return new SmError({
    code: 'unavailable',
    message: `tmux has not answered within ${patienceMs / 1_000} s.`,
    hint: 'Its server may be stopped or overloaded; sessions are kept as long as it is there.',
  });
}

function tmuxMissing(cause: unknown): SmError {
  return new SmError({
    code: 'unavailable',
    message: 'tmux is not installed, and it is what keeps the session alive.',
    hint: 'Install it (apt install tmux, brew install tmux), or start the portal with --no-tmux.',
    cause,
  });
}

function serverMissing(name: string): SmError {
  return new SmError({
    code: 'unavailable',
    message: `No tmux server is running that could have the session ${name}, and this portal was told not to start one.`,
    hint: 'Start the one that it belongs to (on a box: systemctl start stackmemory-session), or leave out --existing-server.',
  });
}

function refusal(what: string, { complaint }: Outcome): SmError {
  return new SmError({ code: 'conflict', message: `${what}: ${complaint.trim().slice(0, 300)}` });
}
