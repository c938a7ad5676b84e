/** Where sessions come from: tmux, which keeps them alive; or, without it, a program for each viewer. */
import type { AttachOptions, SessionSource } from './session-source.ts';
import { spawnTerminal } from './pty.ts';
import type { Terminal } from './session.ts';
import { SmError } from '../lib/core/errors.ts';
import { checkDirectory, findProgram } from './programs.ts';
import { type Environment, Tmux } from './tmux.ts';

export interface Agent {
  /** What a session runs: a program and its arguments. */
  command: readonly [string, ...string[]];
  cwd: string;
  env: Environment;
}

export class TmuxSource implements SessionSource {
  readonly isTmux = true;
  readonly #tmux: Tmux;
  readonly #agent: Agent;

  /** @param startsServer whether it starts tmux' server where none runs */
  constructor(agent: Agent, startsServer = true) {
    this.#agent = agent;
    this.#tmux = new Tmux(agent.env, startsServer);
  }

  /** @throws SmError `unavailable` where tmux is missing or too old */
  check(): Promise<string> {
    return this.#tmux.check();
  }

  async ensure(name: string, columns: number, rows: number): Promise<void> {
    if (await this.#tmux.has(name)) return;
    const argv = resolved(this.#agent);
    await this.#tmux.ensure({ name, argv, cwd: this.#agent.cwd, columns, rows });
    if (await this.#tmux.has(name)) return;
    throw new SmError({
      code: 'conflict',
      message: `The command ${JSON.stringify(this.#agent.command[0])} ended as soon as it was started.`,
      hint: 'Run it by hand in the same directory, and see what it says.',
    });
  }

  attach(name: string, { columns, rows, ...flags }: AttachOptions): Terminal {
    const [file = 'tmux', ...args] = this.#tmux.attachArgv(name, flags);
    // tmux asks for nothing of the directory; the agent's may be gone by now.
    return spawnTerminal({
      argv: [file, ...args],
      ...{ columns, rows, cwd: '/', env: this.#tmux.env },
      isInputHeld: true,
    });
  }

  /** What watching the sessions asks of tmux. */
  get tmux(): Tmux {
    return this.#tmux;
  }

  list() {
    return this.#tmux.list();
  }

  has(name: string) {
    return this.#tmux.has(name);
  }

  find(name: string, text: string, direction: 'older' | 'newer') {
    return this.#tmux.find(name, text, direction);
  }

  back(name: string, lines: number) {
    return this.#tmux.back(name, lines);
  }

  rename(name: string, to: string) {
    return this.#tmux.rename(name, to);
  }

  end(name: string) {
    return this.#tmux.end(name);
  }

  attached() {
    return this.#tmux.attached();
  }

  setIgnoresSize(pid: number, ignoresSize: boolean) {
    return this.#tmux.setIgnoresSize(pid, ignoresSize);
  }
}

/** Each viewer has a program of its own, which lives as long as its attachment. */
export class PlainSource implements SessionSource {
  readonly isTmux = false;
  readonly #agent: Agent;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  async ensure(): Promise<void> {
    resolved(this.#agent);
  }

  attach(_name: string, { columns, rows }: AttachOptions): Terminal {
    const { cwd, env } = this.#agent;
    return spawnTerminal({ argv: resolved(this.#agent), columns, rows, cwd, env: { ...env, COLORTERM: 'truecolor' } });
  }

  async list() {
    return [];
  }

  async has(): Promise<boolean> {
    return false;
  }

  async attached() {
    return new Map<number, string>();
  }

  find(): Promise<boolean> {
    return Promise.reject(withoutTmux());
  }

  back(): Promise<void> {
    return Promise.reject(withoutTmux());
  }

  rename(): Promise<void> {
    return Promise.reject(withoutTmux());
  }

  end(): Promise<void> {
    return Promise.reject(withoutTmux());
  }

  async setIgnoresSize(): Promise<void> {}
}

function resolved({ command: [program, ...args], cwd, env }: Agent): [string, ...string[]] {
  return [findProgram(program, checkDirectory(cwd), env), ...args];
}

function withoutTmux(): SmError {
  return new SmError({
    code: 'conflict',
    message: 'Without tmux there are no sessions beside the viewers.',
    hint: 'Start the portal without --no-tmux.',
  });
}
