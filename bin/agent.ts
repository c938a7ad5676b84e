/** Who is calling. Pure: an agent is known by its own variables in the environment, unless the user says otherwise. */
import { agentOfClient } from '../lib/mcp/client-agent.ts';

/** Variables that an agent sets for the commands it runs. */
const MARKS: readonly (readonly [agent: string, isMark: (name: string) => boolean])[] = [
  ['claude', (name) => name === 'CLAUDECODE'],
  ['codex', (name) => name.startsWith('CODEX_')],
  ['opencode', (name) => name === 'OPENCODE'],
  ['gemini', (name) => name === 'GEMINI_CLI'],
];

/** `SM_AGENT`, else the configured agent, else the one whose mark the environment bears, else `human`. */
export function detectAgent(
  env: Readonly<Record<string, string | undefined>>,
  configAgent: string | undefined,
): string {
  return chosenAgent(env, configAgent) ?? markedAgent(env) ?? 'human';
}

/**
 * The same for a client of MCP, which is never a person: after what was chosen comes what it calls itself, by which
 * known agents are known (`claude-code`, `codex-mcp-client`), else that name as it is.
 */
export function detectClientAgent(
  env: Readonly<Record<string, string | undefined>>,
  configAgent: string | undefined,
  clientName: string | undefined,
): string {
  const client = agentOfClient(clientName);
  return chosenAgent(env, configAgent) ?? client.known ?? markedAgent(env) ?? client.name;
}

function chosenAgent(
  env: Readonly<Record<string, string | undefined>>,
  configAgent: string | undefined,
): string | undefined {
  return env['SM_AGENT']?.trim() || configAgent || undefined;
}

function markedAgent(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const names = Object.keys(env).filter((name) => env[name] !== undefined && env[name] !== '');
  return MARKS.find(([, isMark]) => names.some(isMark))?.[0];
}

/** Variables in which an agent tells the commands that it runs which of its sessions they are part of. */
const SESSION_VARIABLES = ['SM_SESSION', 'CLAUDE_CODE_SESSION_ID', 'CODEX_THREAD_ID', 'GEMINI_CLI_SESSION_ID'];

/** The session that the environment tells of, as its agent calls it. */
export function detectSession(env: Readonly<Record<string, string | undefined>>): string | undefined {
  return SESSION_VARIABLES.map((name) => env[name]?.trim()).find((value) => value !== undefined && value !== '');
}
