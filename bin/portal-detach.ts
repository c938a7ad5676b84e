/** Starts `sm portal start` once more, as a process of its own that outlives this one, and waits for its first word. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { errorFromJson, type SmErrorJson, SmError } from '../lib/core/errors.ts';
import { ensurePrivateDirectory } from '../lib/host/places.ts';
import type { Context, Options } from './command.ts';
import { fileFailure } from './files.ts';
import { writeJson } from './print/json.ts';

const LOG_TAIL_BYTES = 4_096;

interface Told {
  pid: number;
  addresses: string[];
  session: string;
  problems: string[];
}

const VALUES = ['port', 'host', 'session', 'command', 'cwd'] as const;
const LISTS = ['allow', 'host-name'] as const;
const SWITCHES = ['no-auth', 'read-only', 'no-tmux', 'existing-server'] as const;

export async function detach(
  context: Context,
  { directory, args, options }: { directory: string; args: readonly string[]; options: Options },
): Promise<number> {
  ensurePrivateDirectory(directory);
  const logFile = path.join(directory, 'portal.log');
  const log = openLog(logFile);
  const beganAt = fs.fstatSync(log).size;
  const child = spawn(
    process.execPath,
    [process.argv[1] ?? '', 'portal', 'start', '--json', ...wordsOf(args, options)],
    {
      detached: true,
      stdio: ['ignore', 'pipe', log],
      env: context.env,
    },
  );
  fs.closeSync(log);
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const line = await Promise.race([
    once(createInterface(child.stdout as NodeJS.ReadableStream), 'line') as Promise<[string]>,
    exited.then(([code]) => {
      throw explainEnd(logFile, beganAt, code);
    }),
  ]);
  child.stdout?.destroy();
  child.unref();
  const told = JSON.parse(line[0]) as Told;
  for (const problem of told.problems) await context.stderr.write(`sm: ${problem}\n`);
  if (options.isSet('json')) await writeJson(context, told);
  else {
    const lines = told.addresses.map((address) => `listening on ${address}`);
    await context.stdout.write(`${lines.join('\n')}\npid ${told.pid}; end it with sm portal stop\n`);
  }
  return 0;
}

function openLog(file: string): number {
  try {
    return fs.openSync(file, 'a', 0o600);
  } catch (error) {
    throw fileFailure(error, file, 'written', 'Make room or give yourself the right to, and start it again.');
  }
}

function wordsOf(args: readonly string[], options: Options): string[] {
  return [
    ...VALUES.flatMap((name) => {
      const text = options.text(name);
      return text === undefined ? [] : [`--${name}=${text}`];
    }),
    ...LISTS.flatMap((name) => options.texts(name).map((text) => `--${name}=${text}`)),
    ...SWITCHES.filter((name) => options.isSet(name)).map((name) => `--${name}`),
    ...(args.length > 0 ? ['--', ...args] : []),
  ];
}

/** What the other process said on its way out. */
function explainEnd(logFile: string, beganAt: number, code: number | null): SmError {
  const said = fs.readFileSync(logFile, 'utf8').slice(beganAt).trim().slice(-LOG_TAIL_BYTES);
  const last = said.split('\n').at(-1) ?? '';
  if (last.startsWith('{"error"')) return errorFromJson(JSON.parse(last) as SmErrorJson);
  return new SmError({
    code: 'host_failed',
    message: `The portal ended with ${code} as it was started. ${last}`,
    hint: `See ${logFile}.`,
  });
}
