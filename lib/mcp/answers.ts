/**
 * What a tool answers: the structure, the same as text in a frame that recorded text cannot end, and failures that tell
 * the model what to do next. Pure.
 */
import type { CallToolResult } from '@modelcontextprotocol/server';
import { type ErrorCode, toSmError } from '../core/errors.ts';
import { framed } from '../core/frame.ts';

type Structure = Record<string, unknown>;

/** What this very call did: nothing in it was there before. */
export function done(line: string, structuredContent: Structure): CallToolResult {
  return { content: [{ type: 'text', text: line }], structuredContent };
}

/** What was recorded earlier, framed; `line` is ours and stands before it. */
export function recalled(fence: string, structuredContent: Structure, line?: string): CallToolResult {
  const text = `${line === undefined ? '' : `${line}\n`}${framed(fence, structuredContent)}`;
  return { content: [{ type: 'text', text }], structuredContent };
}

/** A failure in words that a model can act on; it is an answer, so that the model sees it. */
export function failed(thrown: unknown): CallToolResult {
  const error = toSmError(thrown);
  const advice = ADVICE[error.code] ?? (error.exitCode >= SYSTEM_EXIT_CODE ? TELL_THE_USER : undefined);
  const hint = error.exitCode >= SYSTEM_EXIT_CODE ? error.hint : undefined;
  const text = [error.message, hint, advice].filter((part) => part !== undefined).join(' ');
  return { isError: true, content: [{ type: 'text', text }] };
}

/** From here on exit codes are of the machine, not of the call. */
const SYSTEM_EXIT_CODE = 5;
const TELL_THE_USER = 'Tell the user; trying again at once will not help.';

const ADVICE: Partial<Record<ErrorCode, string>> = {
  bad_request: 'Correct that argument and call again.',
  exists: 'If it proved right, call brain_feedback with its id; record only what is new.',
  not_found: 'Find the id with brain_recall.',
  ambiguous: 'Give more characters of the id.',
  internal: 'This is a bug of StackMemory. Go on without it, and tell the user.',
};
