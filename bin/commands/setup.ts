/** `sm setup`: connects an agent with the brain by its own settings, shows what it changes, and takes it back. */
import { homedir } from 'node:os';
import path from 'node:path';
import { loadAgents } from '../../lib/agents/load.ts';
import { CODING_AGENTS, SETUP_SCOPES } from '../../lib/core/vocabulary.ts';
import { brainPaths, currentDirectory } from '../../lib/scope/paths.ts';
import { quoteShort, usageError } from '../arguments.ts';
import type { CommandModule, Context, Options } from '../command.ts';
import { readAnswer } from '../input.ts';
import { escapeText } from '../print/escape.ts';
import { writeJson } from '../print/json.ts';
import { createView, type View } from '../print/view.ts';
import { programWords } from '../npm.ts';
import { didYouMean } from '../suggest.ts';
import { wordOf } from '../values.ts';

type Agents = ReturnType<typeof loadAgents>;
type AgentName = (typeof CODING_AGENTS)[number];

export const command: CommandModule = {
  options: [
    {
      flags: '--scope <scope>',
      summary: 'user (default), or project: files that a team shares',
      values: SETUP_SCOPES,
    },
    { flags: '--dry-run', summary: 'Show what would change, and change nothing' },
    { flags: '--remove', summary: 'Take back what was added' },
    { flags: '--yes', summary: 'Without an agent’s name: all that are installed, unasked' },
  ],
  notes:
    'Writes the MCP server, hooks and a few lines of instructions into the settings of the agent; what else they have stays\n' +
    'as it is, comments included. A backup is kept, and --remove gives the very bytes back where nobody has written since.\n' +
    'Without a name it looks which agents are installed and asks. See docs/AGENTS.md.',
  examples: ['sm setup', 'sm setup claude', 'sm setup codex --scope project --dry-run', 'sm setup claude --remove'],
  async run(context, args, options) {
    const agents = loadAgents();
    const chosen = await chooseAgents(context, agents, args[0], options);
    const changes: { agent: AgentName; file: string; change: 'made' | 'changed' | 'removed' }[] = [];
    const view = await createView(context, options, '');
    for (const agent of chosen) {
      const request = requestOf(context, agent, options);
      const planned = agents.planSetup(request);
      if (!options.isSet('dry-run')) agents.carryOut(request, planned);
      for (const { file, before, after } of planned) {
        const change = before === undefined ? 'made' : after === undefined ? 'removed' : 'changed';
        changes.push({ agent, file, change });
        if (!options.isSet('json'))
          await context.stdout.write(renderPatch(view, agents.patchOf(file, before ?? '', after ?? '')));
      }
      if (!options.isSet('json')) await tellOutcome(context, agents, agent, planned.length, options);
    }
    if (options.isSet('json')) await writeJson(context, { agents: chosen, dryRun: options.isSet('dry-run'), changes });
    return 0;
  },
};

async function chooseAgents(
  context: Context,
  { detectAgents }: Agents,
  named: string | undefined,
  options: Options,
): Promise<AgentName[]> {
  const agent = CODING_AGENTS.find((known) => known === named);
  if (agent !== undefined) return [agent];
  if (named !== undefined) {
    const hint = `${didYouMean(named, CODING_AGENTS)}Choose one of ${CODING_AGENTS.join(', ')}.`;
    throw usageError(`There is no agent ${quoteShort(named)} to set up.`, hint);
  }
  const found = detectAgents(context.env);
  if (found.length === 0) {
    throw usageError('None of the agents that can be set up is on the PATH.', `Name one: ${CODING_AGENTS.join(', ')}.`);
  }
  if (options.isSet('yes')) return found;
  if (!context.stdin.isTerminal || !context.stderr.isTerminal) {
    throw usageError(
      `Found ${found.join(', ')}.`,
      `Name one (sm setup ${found[0]}), or take all of them: sm setup --yes`,
    );
  }
  const verb = options.isSet('remove') ? 'Take it back from' : 'Set up';
  await context.stderr.write(`${verb} ${found.join(', ')}? [Y/n] `);
  const answer = (await readAnswer(context)).trim().toLowerCase();
  return answer === '' || answer === 'y' || answer === 'yes' ? found : [];
}

function requestOf(context: Context, agent: AgentName, options: Options) {
  return {
    agent,
    scope: wordOf(options, 'scope', SETUP_SCOPES) ?? 'user',
    isRemoving: options.isSet('remove'),
    home: homedir(),
    root: currentDirectory(),
    env: context.env,
    program: programWords(context.env),
    stateDirectory: path.join(brainPaths(context.env, homedir).home, 'setup'),
  };
}

async function tellOutcome(
  context: Context,
  { AFTERWARDS }: Agents,
  agent: AgentName,
  changed: number,
  options: Options,
): Promise<void> {
  const files = changed === 1 ? '1 file' : `${changed} files`;
  const isRemoving = options.isSet('remove');
  const line =
    changed === 0
      ? `${agent}: ${isRemoving ? 'nothing of ours is there' : 'all is there already'}`
      : options.isSet('dry-run')
        ? `${agent}: ${files} would change`
        : `${agent}: ${files} changed`;
  await context.stdout.write(`${line}\n`);
  const more = AFTERWARDS[agent];
  if (more !== undefined && changed > 0 && !isRemoving) await context.stdout.write(`${more}\n`);
}

/** Coloured on a terminal. */
function renderPatch(view: View, patch: string): string {
  const paint = (line: string) => {
    if (/^\+(?!\+\+ )/.test(line)) return view.paint('green', line);
    return /^-(?!-- )/.test(line) ? view.paint('red', line) : line;
  };
  return escapeText(patch).split('\n').map(paint).join('\n');
}
