/** Who is calling. Pure: an agent is known by its own variables in the environment, unless the user says otherwise. */

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
  const named = env['SM_AGENT']?.trim();
  if (named) return named;
  if (configAgent !== undefined && configAgent !== '') return configAgent;
  const names = Object.keys(env).filter((name) => env[name] !== undefined && env[name] !== '');
  return MARKS.find(([, isMark]) => names.some(isMark))?.[0] ?? 'human';
}
