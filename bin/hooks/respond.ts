/**
 * What a hook answers: at a session's start what the brain knows of the project, before a command that it was tried and
 * failed, and once, when work ends of which nothing was recorded, a reminder. Undefined where there is nothing to say.
 */
import type { RecallHit } from '../../lib/brain/recall-contract.ts';
import { framed } from '../../lib/core/frame.ts';
import { withoutPrivate } from '../../lib/core/private.ts';
import type { Context, Options } from '../command.ts';
import { fenceOf, scopeOf, withBrain } from '../session.ts';
import type { HookEvent, HookInput } from './input.ts';
import { readSession, type SessionMark, writeSession } from './sessions.ts';
import { failureAmong, questionOf, WARNING_HITS_MAX } from './warning.ts';

/** Tokens at a session's start, and of a warning. */
const CONTEXT_TOKENS = 1_500;
const WARNING_CHARACTERS_MAX = 600;
/** Sessions that are over sooner have learned nothing that wants recording. */
const REMINDER_AFTER_MS = 10 * 60_000;

export interface HookCall {
  event: HookEvent;
  agent: string;
  input: HookInput;
}

export async function respond(context: Context, options: Options, call: HookCall): Promise<unknown> {
  switch (call.event) {
    case 'session-start':
      return atStart(context, options, call);
    case 'before-tool':
      return beforeTool(context, options, call);
    case 'turn-end':
      return atEnd(context, options, call);
    default:
      return call.event satisfies never;
  }
}

async function atStart(context: Context, options: Options, { agent, input }: HookCall): Promise<unknown> {
  if (input.isUnderWay) return undefined;
  if (input.sessionId !== undefined && input.source !== 'compact') {
    writeSession(context, input.sessionId, { startedMs: context.now(), isReminded: false });
  }
  return withBrain(
    context,
    options,
    async (brain, location) => {
      const pack = await brain.run('context', { scope: scopeOf(location), budget: CONTEXT_TOKENS, format: 'markdown' });
      if (pack.text === '') return undefined;
      if (agent === 'cursor') return { additional_context: pack.text };
      if (agent === 'hermes') return { context: pack.text };
      return { hookSpecificOutput: { hookEventName: 'SessionStart', additionalContext: pack.text } };
    },
    input.cwd,
  );
}

async function beforeTool(context: Context, options: Options, { input }: HookCall): Promise<unknown> {
  const query = questionOf(input.shellCommand ?? '');
  if (query === undefined) return undefined;
  return withBrain(
    context,
    options,
    async (brain, location) => {
      const hits = await brain.run('recall', {
        scope: scopeOf(location),
        query,
        kind: 'experiment',
        limit: WARNING_HITS_MAX,
      });
      const failed = failureAmong(hits);
      if (failed === undefined) return undefined;
      return {
        hookSpecificOutput: { hookEventName: 'PreToolUse', additionalContext: warningOf(failed, fenceOf(context)) },
      };
    },
    input.cwd,
  );
}

async function atEnd(context: Context, options: Options, { input }: HookCall): Promise<unknown> {
  const { sessionId } = input;
  if (sessionId === undefined || input.isAskedAgain) return undefined;
  const mark: SessionMark | undefined = readSession(context, sessionId);
  if (mark === undefined || mark.isReminded || context.now() - mark.startedMs < REMINDER_AFTER_MS) return undefined;
  return withBrain(
    context,
    options,
    async (brain, location) => {
      const recorded = await brain.run('list', { scope: scopeOf(location), sinceMs: mark.startedMs, limit: 1 });
      // Once a session, whatever comes of it.
      writeSession(context, sessionId, { ...mark, isReminded: true });
      if (recorded.length > 0) return undefined;
      return {
        decision: 'block',
        reason:
          'Nothing was recorded in this session. If an experiment ended, a decision was made or something surprising was ' +
          'learned, record it now with its conclusion (brain_record, or sm brain record). If not, just end.',
      };
    },
    input.cwd,
  );
}

function warningOf(hit: RecallHit, fence: string): string {
  const { entryId, title, conclusion } = withoutPrivate(hit);
  const said = { id: entryId, title, conclusion: conclusion.slice(0, WARNING_CHARACTERS_MAX) };
  return `StackMemory: something like this was tried here before and failed; "sm brain show ${entryId}" has the details.\n${framed(fence, said)}`;
}
