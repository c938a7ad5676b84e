/** Entries as resources, for people who attach one to a prompt, and the prompt for recording an experiment. */
import { type McpServer, ProtocolError, ProtocolErrorCode, ResourceTemplate } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { plainLine } from '../recall/plain-line.ts';
import { withoutPrivate } from '../core/private.ts';
import { DATA_NOTE, framed } from '../core/frame.ts';
import { showEntry } from './entries.ts';
import type { McpRim } from './rim.ts';

const LISTED_MAX = 50;
const NAME_CHARACTERS_MAX = 120;

export function registerResources(server: McpServer, rim: McpRim): void {
  const template = new ResourceTemplate('stackmemory://entry/{id}', {
    list: async () => {
      const [brain, scope] = await Promise.all([rim.brain(), rim.scope()]);
      const entries = await brain.run('list', { scope, limit: LISTED_MAX });
      const resources = entries.map((entry) => ({
        uri: `stackmemory://entry/${entry.entryId}`,
        name: plainLine(withoutPrivate(entry).title, NAME_CHARACTERS_MAX),
        description: `${entry.kind} by ${plainLine(entry.agent, NAME_CHARACTERS_MAX)}`,
        mimeType: 'text/plain',
      }));
      return { resources };
    },
  });
  const about = { title: 'Entry', description: 'One entry of the brain', mimeType: 'text/plain' };
  server.registerResource('entry', template, about, async (uri, { id }) => {
    const [brain, { workspaceId }] = await Promise.all([rim.brain(), rim.scope()]);
    const entry = await brain.run('show', { workspaceId, idOrPrefix: String(id) }).catch((error: unknown) => {
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, error instanceof Error ? error.message : String(error));
    });
    const text = framed(rim.newFence(), { note: DATA_NOTE, entry: showEntry(entry) });
    return { contents: [{ uri: uri.href, mimeType: 'text/plain', text }] };
  });
}

export function registerPrompts(server: McpServer): void {
  server.registerPrompt(
    'record_experiment',
    {
      title: 'Record an experiment',
      description: 'Records what was just tried, with its conclusion',
      argsSchema: z.object({ about: z.string().optional().describe('What was tried, in a few words') }),
    },
    ({ about }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: experimentPrompt(about) } }],
    }),
  );
}

function experimentPrompt(about: string | undefined): string {
  return [
    `Record the experiment ${about === undefined ? 'that we have just made' : `about ${about}`} in the brain.`,
    '1. Call brain_recall with its subject. Where an entry says the same, do not record it again; where it is outdated, pass its id as supersedes.',
    '2. Call brain_record with kind "experiment": a title that says what was found; a summary of what was done and seen, with figures; a conclusion that says what to do or to avoid next time, also where it failed; refs with the files, commits and issues; a confidence that is honest.',
    '3. Leave out secrets and personal data. Tell me the id.',
  ].join('\n');
}
