/**
 * The plugin that stands for hooks in OpenCode, which has none: a file of JavaScript that asks `sm hook` as the hooks of other
 * agents do. It is tried against the real program (docs/AGENTS.md); its names are those of OpenCode 1.18.
 */

/** By which the file is known as ours. */
export const PLUGIN_MARK =
  '// stackmemory: written by "sm setup opencode", and taken away by "sm setup opencode --remove".';

/** @param program how this program is started: `["sm"]`, or Node and the program's file */
export function opencodePlugin(program: readonly string[]): string {
  return `${PLUGIN_MARK}
// Tells a session what the brain knows of the project, and of a command that something like it was tried and failed, and
// asks once at the end of a long one of which nothing was recorded whether there is something to record.
// Whatever happens to the brain, it says nothing then, and holds nothing up for longer than the limit.
import { spawn } from 'node:child_process';

const PROGRAM = ${JSON.stringify(program)};
const LIMIT_MS = 3000;

function ask(event, input) {
  return new Promise((resolve) => {
    try {
      const child = spawn(PROGRAM[0], [...PROGRAM.slice(1), 'hook', event, '--agent', 'opencode'], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
      let text = '';
      child.on('error', () => resolve(undefined));
      child.stdin.on('error', () => undefined);
      child.stdout.setEncoding('utf8').on('data', (part) => (text += part));
      child.on('close', () => {
        clearTimeout(timer);
        try {
          const { hookSpecificOutput, reason } = JSON.parse(text);
          resolve(hookSpecificOutput?.additionalContext ?? reason);
        } catch {
          resolve(undefined);
        }
      });
      child.stdin.end(JSON.stringify(input));
    } catch {
      resolve(undefined);
    }
  });
}

export const StackMemory = async ({ directory, client }) => {
  const contexts = new Map();
  const warnings = new Map();
  const helpers = new Set();
  return {
    'experimental.chat.system.transform': async ({ sessionID }, output) => {
      if (sessionID === undefined) return;
      if (!contexts.has(sessionID)) {
        contexts.set(sessionID, ask('session-start', { cwd: directory, session_id: sessionID, source: 'startup' }));
      }
      const context = await contexts.get(sessionID);
      if (context !== undefined) output.system.push(context);
    },
    'tool.execute.before': async ({ tool, sessionID, callID }, { args }) => {
      if (tool !== 'bash') return;
      const input = { cwd: directory, session_id: sessionID, tool_input: { command: args.command } };
      const warning = await ask('before-tool', input);
      if (warning !== undefined) warnings.set(callID, warning);
    },
    // The command has run by then: OpenCode has no other place for a word that forbids nothing.
    'tool.execute.after': async ({ callID }, output) => {
      const warning = warnings.get(callID);
      warnings.delete(callID);
      if (warning !== undefined) output.output += '\\n\\n' + warning;
    },
    event: async ({ event }) => {
      const { info, sessionID } = event.properties ?? {};
      // Sessions that another has made end with what they tell that one.
      if (event.type === 'session.created' && info?.parentID !== undefined) helpers.add(info.id);
      if (event.type !== 'session.idle' || helpers.has(sessionID)) return;
      const reminder = await ask('turn-end', { cwd: directory, session_id: sessionID });
      if (reminder === undefined) return;
      const body = { parts: [{ type: 'text', text: reminder }] };
      await client.session.promptAsync({ path: { id: sessionID }, body }).catch(() => undefined);
    },
    'shell.env': async ({ sessionID }, { env }) => {
      if (sessionID !== undefined) env.SM_SESSION = sessionID;
    },
  };
};
`;
}
