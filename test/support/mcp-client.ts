/** An agent's side of MCP: the SDK's own client, and the real `sm mcp` as the process that it starts. */
import fs from 'node:fs';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterEach } from 'vitest';
import { smProgram } from './host-commands.ts';

const open = new Set<McpAgent>();

afterEach(async () => {
  for (const agent of open) await agent.client.close();
  open.clear();
});

export interface Answer {
  text: string;
  isError: boolean;
  structure: Record<string, unknown>;
}

export interface McpAgent {
  client: Client;
  pid: number;
  call(tool: string, input: Record<string, unknown>): Promise<Answer>;
}

export interface AgentOptions {
  name?: string;
  env?: Record<string, string>;
  /** Speaks the revision of 2026-07-28 instead of asking for one of 2025. */
  isModern?: boolean;
}

/** Starts `sm mcp` for the brain of which `brainDirectory` is the directory; closed when the test ends. */
export async function startAgent(brainDirectory: string, options: AgentOptions = {}): Promise<McpAgent> {
  const home = path.dirname(brainDirectory);
  fs.mkdirSync(home, { recursive: true });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [smProgram(), 'mcp'],
    cwd: home,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: home,
      STACKMEMORY_HOME: home,
      PROVENANT_PROJECT_ID: 'project',
      PROVENANT_WORKSPACE_ID: '',
      ...options.env,
    },
    stderr: 'inherit',
  });
  const client = new Client(
    { name: options.name ?? 'claude-code', version: '1.0.0' },
    options.isModern === true ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {},
  );
  await client.connect(transport);
  const agent: McpAgent = {
    client,
    pid: transport.pid ?? 0,
    async call(tool, input) {
      const result = await client.callTool({ name: tool, arguments: input });
      const text = result.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
      const structure = (result.structuredContent ?? {}) as Record<string, unknown>;
      return { text, isError: result.isError === true, structure };
    },
  };
  open.add(agent);
  return agent;
}
