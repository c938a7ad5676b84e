/** Starts servers as processes of their own and waits for the events of their lives. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface ServerProcess {
  url: string;
  child: ChildProcess;
  /** What it wrote on stderr so far. */
  talk(): string;
  /** Resolves with the exit code, or null where a signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

const program = fileURLToPath(new URL('./server-child.ts', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Of the instances that `startInstance` starts. */
export const ADMIN_TOKEN = 'token-of-the-administrator';

/** An instance over the PostgreSQL at `databaseUrl`. */
export function startInstance(databaseUrl: string): Promise<ServerProcess> {
  return startProcess(['--import', 'tsx', program, databaseUrl, ADMIN_TOKEN]);
}

/** `sm serve` as it is built. */
export function startServe(words: string[], env: Record<string, string>): Promise<ServerProcess> {
  return startProcess(['dist/sm.cjs', 'serve', '--port', '0', ...words], env);
}

async function startProcess(words: string[], env: Record<string, string> = {}): Promise<ServerProcess> {
  const child = spawn(process.execPath, words, { cwd: root, env: { ...process.env, ...env } });
  let talk = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (talk += text));
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    exited.then(([code]) => {
      throw new Error(`the server ended with ${code} instead of listening: ${talk}`);
    }),
  ])) as [string];
  return {
    url: line.replace('listening on ', ''),
    child,
    talk: () => talk,
    end: async (signal) => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      const [code] = await exited;
      return code;
    },
  };
}
