/**
 * `npm start`: the main job, for real, on a brain that is thrown away afterwards. Runs the built command line as
 * agents would, shows what it prints, and says how to go on with one's own brain.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';

const program = fileURLToPath(new URL('../dist/sm.cjs', import.meta.url));
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-demo-'));
const repository = path.join(home, 'shop');
const isColourful = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
const paint = (style, text) => (isColourful ? styleText(style, text) : text);

/** Runs `sm` with `args` as an agent in a repository of the demo would. */
function sm(args, { show = true } = {}) {
  if (show) console.log(paint('dim', `\n$ sm ${args.map(quote).join(' ')}`));
  const started = performance.now();
  const result = spawnSync(process.execPath, [program, ...args], {
    cwd: repository,
    env: {
      ...process.env,
      STACKMEMORY_HOME: path.join(home, 'brain-home'),
      ...(isColourful ? { FORCE_COLOR: '1' } : {}),
    },
    encoding: 'utf8',
  });
  if (result.status !== 0) {
    throw new Error(
      `sm ${args.join(' ')} ended with ${result.status ?? result.signal}:\n${result.stderr}${result.stdout}`,
    );
  }
  if (show) process.stdout.write(result.stdout);
  return { output: result.stdout, durationMs: performance.now() - started };
}

/** Records an entry and returns it. */
function record(args) {
  console.log(paint('dim', `\n$ sm brain record ${args.map(quote).join(' ')}`));
  const { output, durationMs } = sm(['brain', 'record', '--json', ...args], { show: false });
  const entry = JSON.parse(output);
  console.log(
    `recorded ${entry.entryId}  ${entry.title}  ${paint('dim', `(on disk after ${Math.round(durationMs)} ms)`)}`,
  );
  return entry;
}

function say(text) {
  console.log(`\n${paint('bold', text)}`);
}

function quote(word) {
  return /^[\w./:,@=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

try {
  fs.mkdirSync(repository);
  say('Three agents work on one repository. Each records what it learned; the first record makes the brain.');
  const pool = record([
    '--agent',
    'claude',
    '--kind',
    'experiment',
    '--title',
    'Connection pool of 50 for the checkout service',
    '--summary',
    'Raised the pool from 10 to 50 to cure timeouts under load.',
    '--conclusion',
    'Worse: PostgreSQL spent its time on context switches, p99 rose from 180 ms to 420 ms.',
    '--tags',
    'postgres,performance',
    '--confidence',
    '0.9',
  ]);
  record([
    '--agent',
    'codex',
    '--kind',
    'decision',
    '--title',
    'Money is stored as integer cents',
    '--conclusion',
    'Floats lost a cent in 1 of 40,000 orders; every amount is a bigint of cents.',
    '--tags',
    'money,schema',
  ]);
  record([
    '--agent',
    'opencode',
    '--kind',
    'insight',
    '--title',
    'CartRepository.findOpen() scans the whole table',
    '--conclusion',
    'A partial index on (customer_id) WHERE closed_at IS NULL makes it 200 times faster.',
    '--tags',
    'postgres',
  ]);

  say('Before the next plan is made, an agent asks what is known.');
  sm(['brain', 'recall', 'checkout', 'timeouts', 'database', 'pool']);

  say('A question that no entry answers gets no answer.');
  sm(['brain', 'recall', 'kubernetes', 'autoscaling']);

  say('Somebody finds something better. The old conclusion is superseded, not lost.');
  record([
    '--agent',
    'hermes',
    '--kind',
    'experiment',
    '--title',
    'PgBouncer in transaction mode in front of checkout',
    '--conclusion',
    'A pool of 12 behind PgBouncer cured the timeouts: p99 95 ms at twice the load.',
    '--tags',
    'postgres,performance',
    '--confidence',
    '0.95',
    '--supersedes',
    pool.entryId,
  ]);
  sm(['brain', 'recall', 'checkout', 'timeouts', 'pool']);
  sm(['brain', 'history', pool.entryId.slice(0, 13)]);

  say('Everything that ever happened is in the append-only log.');
  sm(['brain', 'log']);

  say('And the brain can prove that it is sound.');
  sm(['doctor']);

  console.log(`
${paint('bold', 'That was a throw-away brain; it is gone now. To go on with your own:')}

  npm install -g .                           # from this checkout: puts "sm" on your PATH
  sm brain record --title "…" --conclusion "…" --kind insight
  sm brain recall "what you are about to do"
  sm brain show <id>                         # the first characters of an id are enough
  sm brain --help                            # every command, with examples

Your brain lives in ~/.stackmemory (STACKMEMORY_HOME moves it). docs/BRAIN.md is the guide.`);
} finally {
  sm(['host', 'stop'], { show: false });
  fs.rmSync(home, { recursive: true, force: true });
}
