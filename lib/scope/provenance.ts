/**
 * Where one is, as far as it can be told quickly: repository, branch, commit, uncommitted changes, machine. An entry is
 * worth as much without: whatever cannot be had in time is left out, and nothing here ever fails.
 */
import { hostname } from 'node:os';
import type { Provenance } from '../core/provenance.ts';
import { findRepository } from './git-directory.ts';
import { askGit } from './git-process.ts';
import { identifyRepository } from './git.ts';
import type { Environment } from './scope-id.ts';

/** `git status` of tracked files takes 5 ms where there are hundreds, and 100 ms where there are 80,000. */
const STATUS_TIMEOUT_MS = 300;

export async function provenanceOfPlace(directory: string, env: Environment): Promise<Provenance> {
  return { ...(await repositoryFacts(directory, env)), host: hostname() };
}

async function repositoryFacts(directory: string, env: Environment): Promise<Provenance> {
  try {
    const found = findRepository(directory, env);
    if (found.kind !== 'repository' || found.worktreeDirectory === undefined) return {};
    const worktree = { gitDirectory: found.gitDirectory, worktreeDirectory: found.worktreeDirectory };
    const asked = askGit(worktree, STATUS_PARAMETERS, STATUS_TIMEOUT_MS, env);
    const identity = identifyRepository(directory, env);
    const repo = identity?.source === 'origin' ? { repo: identity.value } : {};
    return { ...repo, ...statusFacts((await asked) ?? '') };
  } catch {
    return {}; // What git cannot tell of its repository is told to whoever asks for its identity.
  }
}

const STATUS_PARAMETERS = ['status', '--porcelain=v2', '--branch', '--untracked-files=no', '--ignore-submodules=all'];

/** From git-status(1), "Porcelain Format Version 2". */
function statusFacts(text: string): Provenance {
  const commit = /^# branch\.oid ([0-9a-f]{40,64})$/m.exec(text)?.[1];
  const branch = /^# branch\.head (.+)$/m.exec(text)?.[1];
  return {
    ...(branch === undefined || branch === '(detached)' ? {} : { branch }),
    ...(commit === undefined ? {} : { commit }),
    ...(/^[12u] /m.test(text) ? { isDirty: true } : {}),
  };
}
