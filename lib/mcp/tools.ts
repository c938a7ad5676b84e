/**
 * The tools: each an operation of the brain with a schema, annotations and words for a model. Owns their names, which
 * are a contract: prompts and settings of agents have them.
 */
import {
  type CallToolResult,
  CLIENT_INFO_META_KEY,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';
import type { ReadScope, Scope } from '../brain/contract.ts';
import type { EntryFilter } from '../brain/recall-contract.ts';
import { nearMisses } from '../brain/near-misses.ts';
import { similarTo } from '../brain/similar-to.ts';
import { CONTEXT_TOKENS_MAX, CONTEXT_TOKENS_MIN } from '../core/limits.ts';
import { CONTEXT_FORMATS, ENTRY_KINDS } from '../core/vocabulary.ts';
import { type Verdict, VERDICTS } from '../core/standing.ts';
import { done, failed, recalled } from './answers.ts';
import { DATA_NOTE } from '../core/frame.ts';
import { entryShape, hitShape, missShape, showEntry, showHit, showMiss, showSimilar, similarShape } from './entries.ts';
import type { McpRim } from './rim.ts';

const RECALL_LIMIT_DEFAULT = 8;
/** More would fill a prompt; the command line has them. */
const RECALL_LIMIT_MAX = 50;
const BUDGET_DEFAULT = 2_000;

const READS = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false } as const;
const ADDS = { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false } as const;
/** It hides the old entry from recall; nothing is deleted, and doing it twice is doing it once. */
const REPLACES = { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false } as const;

const allProjects = z
  .boolean()
  .optional()
  .describe('Also the other projects of the workspace. Default: this project alone');
const id = z.string().describe('An id, or the first characters of one (at least 4)');

const filters = {
  kind: z.enum(ENTRY_KINDS).optional(),
  agent: z
    .string()
    .optional()
    .describe('Recorded by this agent only: claude, codex, opencode, hermes, gemini, human …'),
  tags: z.array(z.string()).optional().describe('Entries with all of these tags'),
  ref: z.string().optional().describe('Entries about this file, commit, issue or address'),
  since: z.string().optional().describe('Changed since: 7d, 2026-01-31, or an ISO 8601 time'),
  until: z.string().optional().describe('Changed until then'),
};

const recallInput = z.object({
  query: z
    .string()
    .optional()
    .describe('Words in any order; "a phrase", -word and tag:x are understood. Without it: the newest entries'),
  ...filters,
  all_projects: allProjects,
  include_inactive: z.boolean().optional().describe('Also superseded and retracted entries'),
  as_of: z.string().optional().describe('Answer as the brain was then: a time, or a commit of the repository'),
  loose: z.boolean().optional().describe('Also what is probably not relevant: the nearest misses'),
  limit: z.number().int().min(1).max(RECALL_LIMIT_MAX).optional().describe(`Default ${RECALL_LIMIT_DEFAULT}`),
});

const contextInput = z.object({
  query: z.string().optional().describe('What is about to be done. Without it: decisions, failures and what is new'),
  budget: z
    .number()
    .int()
    .min(CONTEXT_TOKENS_MIN)
    .max(CONTEXT_TOKENS_MAX)
    .optional()
    .describe(`Tokens at most; default ${BUDGET_DEFAULT}`),
  format: z.enum(CONTEXT_FORMATS).optional(),
  all_projects: allProjects,
});

const recordInput = z.object({
  title: z.string().describe('One line that says what was found, as one would look for it'),
  kind: z
    .enum(ENTRY_KINDS)
    .describe('experiment: was tried; decision: was chosen; insight: was understood; note: else'),
  conclusion: z.string().optional().describe('What follows from it, failures too: the part that is read first'),
  summary: z.string().optional().describe('What was done and seen, with figures'),
  tags: z.array(z.string()).optional(),
  refs: z.array(z.string()).optional().describe('Files, commits, issues and addresses that it is about'),
  confidence: z.number().min(0).max(1).optional().describe('Default 0.7'),
  supersedes: z.string().optional().describe('The id of the entry that this one replaces'),
});

export function registerTools(server: McpServer, rim: McpRim): void {
  server.registerTool(
    'brain_recall',
    {
      title: 'Recall',
      description:
        'Finds what was tried, decided and learned before. Call it before making a plan. ' +
        'An empty answer means that nothing relevant is recorded; do not guess that something is.',
      inputSchema: recallInput,
      outputSchema: z.object({
        note: z.string(),
        found: z.number(),
        entries: z.array(hitShape),
        nearest_misses: z.array(missShape).optional().describe('Where nothing is relevant: probably something else'),
      }),
      annotations: READS,
    },
    (input) => answering(() => recall(rim, input)),
  );
  server.registerTool(
    'brain_context',
    {
      title: 'Context',
      description: 'What matters most for the work at hand, packed into a budget of tokens. Call it when work begins.',
      inputSchema: contextInput,
      outputSchema: z.object({
        note: z.string(),
        text: z.string(),
        tokens: z.number(),
        budget: z.number(),
        omitted: z.number().describe('Entries for which there was no room'),
      }),
      annotations: READS,
    },
    (input) => answering(() => context(rim, input)),
  );
  server.registerTool(
    'brain_record',
    {
      title: 'Record',
      description:
        'Records one experiment, decision, insight or note for later work, of others too. ' +
        'Record what failed as well as what worked, as soon as it is known. Never record secrets.',
      inputSchema: recordInput,
      outputSchema: z.object({ entry: entryShape, similar: z.array(similarShape) }),
      annotations: ADDS,
    },
    (input, call) => answering(() => record(rim, input, clientNameOf(server, call))),
  );
  server.registerTool(
    'brain_show',
    {
      title: 'Show',
      description: 'One entry in full.',
      inputSchema: z.object({ id }),
      outputSchema: z.object({ note: z.string(), entry: entryShape }),
      annotations: READS,
    },
    (input) =>
      answering(async () => {
        const [brain, { workspaceId }] = await Promise.all([rim.brain(), rim.scope()]);
        const entry = await brain.run('show', { workspaceId, idOrPrefix: input.id });
        return recalled(rim.newFence(), { note: DATA_NOTE, entry: showEntry(entry) });
      }),
  );
  server.registerTool(
    'brain_supersede',
    {
      title: 'Supersede',
      description:
        'Marks an entry as replaced by another one that is recorded already. The old one stays in the history, ' +
        'and recall brings the new one in its place.',
      inputSchema: z.object({ old_id: id, new_id: id }),
      outputSchema: z.object({ old: entryShape, new: entryShape }),
      annotations: REPLACES,
    },
    (input) => answering(() => supersede(rim, input)),
  );
  server.registerTool(
    'brain_feedback',
    {
      title: 'Feedback',
      description:
        'Says how a recalled entry proved itself: useful where following it worked, stale where it no longer holds. ' +
        'Call it instead of recording again what an entry says already.',
      inputSchema: z.object({ id, verdict: z.enum(VERDICTS) }),
      outputSchema: z.object({ id: z.string(), confidence: z.number() }),
      annotations: ADDS,
    },
    (input) => answering(() => feedback(rim, input)),
  );
}

async function feedback(rim: McpRim, input: { id: string; verdict: Verdict }): Promise<CallToolResult> {
  const [brain, { workspaceId }] = await Promise.all([rim.brain(), rim.scope()]);
  const reference = { workspaceId, idOrPrefix: input.id };
  const entry = await brain.run('feedback', { requestId: rim.newId(), reference, verdict: input.verdict });
  const sure = Math.round(100 * entry.confidence);
  return done(`Noted: ${entry.entryId} is ${input.verdict}; it counts as ${sure} % sure now.`, {
    id: entry.entryId,
    confidence: entry.confidence,
  });
}

async function recall(rim: McpRim, input: z.infer<typeof recallInput>): Promise<CallToolResult> {
  const filter = filterOf(rim, input);
  const asOf = input.as_of === undefined ? {} : { asOfMs: await rim.asOfMs(input.as_of) };
  const [brain, scope] = await Promise.all([rim.brain(), rim.scope()]);
  const request = {
    scope: readScope(scope, input.all_projects),
    ...(input.query === undefined ? {} : { query: input.query }),
    ...filter,
    ...asOf,
    limit: input.limit ?? RECALL_LIMIT_DEFAULT,
    isLoose: input.loose === true,
  };
  const hits = await brain.run('recall', request);
  const structure = { note: DATA_NOTE, found: hits.length, entries: hits.map(showHit) };
  if (hits.length > 0) return recalled(rim.newFence(), structure);
  const misses = (await nearMisses(brain, request)).map(showMiss);
  const wider = input.all_projects === true ? '' : ' all_projects looks into the other projects.';
  const line = `Nothing relevant is recorded.${wider}`;
  if (misses.length === 0) return done(line, structure);
  return recalled(rim.newFence(), { ...structure, nearest_misses: misses }, `${line} ${MISSES_NOTE}`);
}

const MISSES_NOTE =
  'The nearest misses are probably about something else; brain_show has them in full, should a title say otherwise.';

async function context(rim: McpRim, input: z.infer<typeof contextInput>): Promise<CallToolResult> {
  const [brain, scope] = await Promise.all([rim.brain(), rim.scope()]);
  const { text, tokens, budget, omitted } = await brain.run('context', {
    scope,
    includesOrg: input.all_projects === true,
    ...(input.query === undefined ? {} : { query: input.query }),
    budget: input.budget ?? BUDGET_DEFAULT,
    format: input.format ?? 'markdown',
  });
  // It comes framed, within its budget.
  return done(text === '' ? 'Nothing relevant is recorded.' : text, { note: DATA_NOTE, text, tokens, budget, omitted });
}

async function record(
  rim: McpRim,
  { supersedes, ...draft }: z.infer<typeof recordInput>,
  clientName: string | undefined,
): Promise<CallToolResult> {
  const [brain, { scope, agent, provenance }] = await Promise.all([rim.brain(), rim.author(clientName)]);
  const [entry] = await brain.run('record', {
    requestId: rim.newId(),
    scope,
    agent,
    drafts: [draft],
    provenance,
    ...(supersedes === undefined ? {} : { supersedes }),
  });
  if (entry === undefined) throw new Error('The brain acknowledged a record without its entry.');
  const similar = (await similarTo(brain, entry)).map(showSimilar);
  const advice =
    similar.length === 0
      ? ''
      : ` Entries that say nearly the same: ${similar.map((each) => each.id).join(', ')}. ` +
        'Look at them with brain_show; where this one replaces one of them, call brain_supersede.';
  const secrets =
    entry.masked === undefined
      ? ''
      : ` A secret (${entry.masked.join(', ')}) was masked before it was stored; record none.`;
  return done(`Recorded ${entry.entryId}.${secrets}${advice}`, { entry: showEntry(entry), similar });
}

async function supersede(rim: McpRim, input: { old_id: string; new_id: string }): Promise<CallToolResult> {
  const [brain, { workspaceId }] = await Promise.all([rim.brain(), rim.scope()]);
  const request = { requestId: rim.newId(), workspaceId, oldId: input.old_id, newId: input.new_id };
  const answer = await brain.run('supersede', request);
  return done(`Superseded ${answer.old.entryId} by ${answer.new.entryId}.`, {
    old: showEntry(answer.old),
    new: showEntry(answer.new),
  });
}

function readScope({ workspaceId, projectId }: Scope, isAll: boolean | undefined): ReadScope {
  return { workspaceId, projectId: isAll === true ? null : projectId };
}

function filterOf(rim: McpRim, input: z.infer<typeof recallInput>): EntryFilter {
  const { agent, kind, tags, ref, since, until } = input;
  return {
    ...(agent === undefined ? {} : { agent }),
    ...(kind === undefined ? {} : { kind }),
    ...(tags === undefined || tags.length === 0 ? {} : { tags }),
    ...(ref === undefined ? {} : { ref }),
    ...(since === undefined ? {} : { sinceMs: rim.sinceMs(since) }),
    ...(until === undefined ? {} : { untilMs: rim.untilMs(until) }),
    ...(input.include_inactive === true ? { includeInactive: true } : {}),
  };
}

/** A client names itself with each call (2026-07-28), or once when it connects (2025). */
function clientNameOf(server: McpServer, call: ServerContext): string | undefined {
  const envelope = call.mcpReq.envelope as Record<string, { name?: unknown } | undefined> | undefined;
  const name = envelope?.[CLIENT_INFO_META_KEY]?.name;
  // eslint-disable-next-line typescript/no-deprecated -- for clients of 2025 there is no other way
  return typeof name === 'string' ? name : server.server.getClientVersion()?.name;
}

/** A failure is an answer: thrown, the model would see little of it. */
async function answering(act: () => Promise<CallToolResult>): Promise<CallToolResult> {
  try {
    return await act();
  } catch (error) {
    return failed(error);
  }
}
