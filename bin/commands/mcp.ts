/** `sm mcp`: the brain as tools of an agent that speaks MCP. stdout is the protocol's alone; it ends with the agent. */
import { detectClientAgent } from '../agent.ts';
import type { CommandModule } from '../command.ts';
import type { Brain } from '../../lib/brain/contract.ts';
import type { McpRim } from '../../lib/mcp/rim.ts';
import { fenceOf, openBrain, scopeOf } from '../session.ts';
import { asOfTime, endOf, startOf } from '../values.ts';

export const command: CommandModule = {
  options: [{ flags: '--cwd <directory>', summary: 'Work for the project of this directory (default: here)' }],
  notes:
    'An agent starts this; register it there as a server on stdio with the command "sm mcp". Tools: brain_recall,\n' +
    "brain_context, brain_record, brain_show, brain_supersede, brain_feedback. It is one more client of the brain's\n" +
    'host, any number may run beside each other, and it ends when the agent does. See docs/MCP.md.',
  examples: ['claude mcp add stackmemory -- sm mcp', 'codex mcp add stackmemory -- sm mcp', 'sm mcp --cwd ~/code/shop'],
  async run(context, _args, options) {
    const directory = options.text('cwd');
    let opening: Promise<Brain> | undefined;
    const locate = () => context.locate(directory);
    const rim: McpRim = {
      version: context.version,
      brain() {
        opening ??= locate()
          .then((location) => openBrain(context, options, location))
          .catch((error: unknown) => {
            opening = undefined;
            throw error;
          });
        return opening;
      },
      scope: async () => scopeOf(await locate()),
      author: async (name) => {
        const [location, provenance] = await Promise.all([locate(), context.provenance(directory)]);
        const agent = detectClientAgent(context.env, location.configAgent, name);
        return { scope: scopeOf(location), agent, provenance };
      },
      newId: () => context.newId(),
      newFence: () => fenceOf(context),
      sinceMs: (text) => startOf(text, context.now(), 'since'),
      untilMs: (text) => endOf(text, context.now(), 'until'),
      asOfMs: (text) => asOfTime(context, text),
    };
    if (context.stdin.isTerminal) {
      await context.stderr.write('This speaks MCP and waits for an agent. "sm mcp --help" tells how to register it.\n');
    }
    // A host that is started now is there when the first question comes. What fails is told to whoever asks.
    rim.brain().catch(() => undefined);
    const { loadMcp } = await import('../../lib/mcp/load.ts');
    await loadMcp().serveMcp(rim, (error) => void context.stderr.write(`mcp: ${error.message}\n`));
    await opening?.then((brain) => brain.close()).catch(() => undefined);
    return 0;
  },
};
