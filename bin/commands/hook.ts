/**
 * `sm hook <event>`: what an agent runs by itself, as `sm setup` has told it to. Reads the event as JSON on stdin, and
 * answers in the agent's own shape.
 * Invariant: it never holds an agent up for longer than HOOK_MS_DEFAULT, never fails, and says nothing but what the brain
 * knows, framed as data; what went wrong is in the log.
 */
import fs from 'node:fs';
import path from 'node:path';
import { homedir } from 'node:os';
import { brainPaths } from '../../lib/scope/paths.ts';
import type { CommandModule, Context, Options } from '../command.ts';
import { HOOK_EVENTS, type HookInput, parseHookInput } from '../hooks/input.ts';
import { respond } from '../hooks/respond.ts';
import { collect } from '../input.ts';
import { escapeText } from '../print/escape.ts';

const HOOK_MS_DEFAULT = 1_500;
const HOOK_MS_MAX = 60_000;
const INPUT_BYTES_MAX = 8 * 1024 * 1024;
const LOG_BYTES_MAX = 256 * 1024;

export const command: CommandModule = {
  options: [
    { flags: '--agent <name>', summary: 'Who asks; it decides the shape of the answer' },
    { flags: '--timeout <milliseconds>', summary: `Give up after this (default ${HOOK_MS_DEFAULT})` },
  ],
  notes: `Events: ${HOOK_EVENTS.join(', ')}. Ends with exit code 0 whatever happens; what went wrong is in hooks.log.`,
  examples: [
    'sm hook session-start --agent claude',
    'echo \'{"tool_input": {"command": "npm run migrate"}}\' | sm hook before-tool --agent claude',
  ],
  async run(context, args, options) {
    const startedMs = context.now();
    try {
      const answer = await Promise.race([answerTo(context, args[0] ?? '', options), tooLate(context, options)]);
      if (answer !== '') await context.stdout.write(`${answer}\n`);
    } catch (error) {
      note(context, `${args[0]}: ${(error as Error).message} (after ${context.now() - startedMs} ms)`);
    }
    return 0;
  },
};

async function answerTo(context: Context, event: string, options: Options): Promise<string> {
  const known = HOOK_EVENTS.find((candidate) => candidate === event);
  if (known === undefined) throw new Error('there is no such event');
  const input = await readInput(context);
  const answer = await respond(context, options, { event: known, agent: options.text('agent') ?? '', input });
  return answer === undefined ? '' : JSON.stringify(answer);
}

async function readInput(context: Context): Promise<HookInput> {
  if (context.stdin.isTerminal) return parseHookInput('{}');
  const bytes = await collect(context.stdin.chunks(), 'stdin', INPUT_BYTES_MAX);
  return parseHookInput(bytes.toString('utf8'));
}

async function tooLate(context: Context, options: Options): Promise<never> {
  const text = options.text('timeout') ?? '';
  const limitMs = /^\d{1,6}$/.test(text) ? Math.min(Number(text), HOOK_MS_MAX) : HOOK_MS_DEFAULT;
  // The start of Node counts: who waits began to before this did.
  await context.wait(Math.max(1, limitMs - process.uptime() * 1_000));
  throw new Error(`gave up after ${limitMs} ms`);
}

/** One line; a log that cannot be written is no reason to fail. */
function note(context: Context, line: string): void {
  try {
    const file = path.join(brainPaths(context.env, homedir).home, 'hooks.log');
    const isLarge = (fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX;
    if (isLarge) fs.renameSync(file, `${file}.1`);
    fs.appendFileSync(file, `${new Date(context.now()).toISOString()} ${escapeText(line)}\n`, { mode: 0o600 });
  } catch {
    // No home, or a full disk: the agent goes on.
  }
}
