/** What agents tell their hooks, as far as it is used here: of each only what has the shape that is expected. Pure. */

export const HOOK_EVENTS = ['session-start', 'before-tool', 'turn-end'] as const;
export type HookEvent = (typeof HOOK_EVENTS)[number];

export interface HookInput {
  /** Where the agent works; undefined where it did not say. */
  cwd?: string;
  sessionId?: string;
  /** Why a session starts: `startup`, `resume`, `clear`, `compact`. */
  source?: string;
  /** What a shell tool is about to run. */
  shellCommand?: string;
  /** The agent goes on because a hook has asked it to. */
  isAskedAgain: boolean;
  /** The session has begun before: what it is told at its start was told. */
  isUnderWay: boolean;
}

/** @throws Error for what is no JSON object */
export function parseHookInput(text: string): HookInput {
  const value: unknown = JSON.parse(text.trim() === '' ? '{}' : text);
  if (typeof value !== 'object' || value === null) throw new Error('the input is no JSON object');
  const input = value as Record<string, unknown>;
  const command = propertyOf(input['tool_input'], 'command');
  return {
    ...textOf('cwd', input['cwd'] ?? firstOf(input['workspace_roots'])),
    ...textOf('sessionId', input['session_id'] ?? input['conversation_id']),
    ...textOf('source', input['source']),
    ...textOf('shellCommand', Array.isArray(command) ? command.join(' ') : command),
    isAskedAgain: input['stop_hook_active'] === true,
    isUnderWay: propertyOf(input['extra'], 'is_first_turn') === false,
  };
}

function textOf<Name extends string>(name: Name, value: unknown): Partial<Record<Name, string>> {
  return typeof value === 'string' && value !== '' ? ({ [name]: value } as Record<Name, string>) : {};
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : undefined;
}
