/** Opens the brain for the length of one command, and lets go of it whatever happens. */
import type { Brain, ReadScope, Scope } from '../lib/brain/contract.ts';
import type { Context, Location, Options } from './command.ts';

/** @param directory whose project it is for (default: here) */
export async function withBrain<T>(
  context: Context,
  options: Options,
  use: (brain: Brain, location: Location) => Promise<T>,
  directory?: string,
): Promise<T> {
  const location = await context.locate(directory);
  const brain = await openBrain(context, options, location);
  try {
    return await use(brain, location);
  } finally {
    await brain.close();
  }
}

/** Who opens it closes it. */
export function openBrain(context: Context, options: Options, location: Location): Promise<Brain> {
  return context.connect({
    brainDirectory: location.brainDirectory,
    inProcess: isInProcess(context, options),
    ...(location.hostIdleMs === undefined ? {} : { hostIdleMs: location.hostIdleMs }),
    onProgress: (message) => {
      if (context.stderr.isTerminal) void context.stderr.write(`${message}\n`);
    },
  });
}

function isInProcess(context: Context, options: Options): boolean {
  return options.isSet('no-host') || context.env['SM_NO_HOST'] === '1';
}

/** A word for a frame that nobody can have known when recording: 32 bits of a random UUID. */
export function fenceOf(context: Context): string {
  return context.newId().slice(0, 8);
}

export function scopeOf(location: Location): Scope {
  return { workspaceId: location.workspaceId, projectId: location.projectId };
}

/** This project, or with `--org` the whole workspace. */
export function readScopeOf(location: Location, options: Options): ReadScope {
  return { workspaceId: location.workspaceId, projectId: options.isSet('org') ? null : location.projectId };
}
