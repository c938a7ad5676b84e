/** Who a client of MCP is, by what it calls itself. Pure. */
import { AGENT_CHARACTERS_MAX } from '../core/limits.ts';
import { CODING_AGENTS } from '../core/vocabulary.ts';

/** `known` is the agent by whose name it goes (`claude-code` is `claude`), `name` its own name, or `agent` where it has none. */
export function agentOfClient(clientName: string | undefined): { known: string | undefined; name: string } {
  const name =
    clientName?.trim().toLowerCase().slice(0, AGENT_CHARACTERS_MAX).toWellFormed().replaceAll('\0', '') || 'agent';
  return { known: CODING_AGENTS.find((agent) => name.includes(agent)), name };
}
