/**
 * Decides which workspace and which project a command works in, and says where it knows that from.
 * Invariant: the same repository gives the same `projectId` from every worktree, subdirectory and clone with the same
 * origin, on every machine. The string that is hashed is documented in docs/SCOPES.md and never changes.
 */
import { hash } from 'node:crypto';
import type { Config } from './config.ts';
import { realPath } from './git-directory.ts';
import { identifyRepository } from './git.ts';
import { parseScopeId } from './scope-id.ts';
import type { Environment } from './scope-id.ts';

export interface ResolvedScope {
  /** `""` on a brain that has never logged in. */
  workspaceId: string;
  workspaceSource: 'env' | 'config' | 'none';
  projectId: string;
  projectSource: 'env' | 'origin' | 'root-commit' | 'config' | 'directory';
  /** What the id was made from, for people: a variable's or field's name, `host/path`, a commit id, or a path. */
  projectDetail: string;
}

/** 64 bits: among a million projects the chance that any two share an id is 3 in 100 million. */
const PROJECT_ID_HEX_CHARACTERS = 16;

/**
 * The scope of a command that runs in `cwd`, an absolute path.
 * @throws SmError `config_invalid` for an unfit id in the environment or configuration, or where git had to be asked
 *   and did not answer in time
 */
export function resolveScope({ env, cwd, config }: { env: Environment; cwd: string; config: Config }): ResolvedScope {
  return { ...resolveWorkspace(env, config), ...resolveProject(env, cwd, config) };
}

function resolveWorkspace(env: Environment, config: Config): Pick<ResolvedScope, 'workspaceId' | 'workspaceSource'> {
  const named = parseScopeId(env['PROVENANT_WORKSPACE_ID'], 'PROVENANT_WORKSPACE_ID');
  if (named !== undefined) return { workspaceId: named, workspaceSource: 'env' };
  const configured = parseScopeId(config.auth?.workspaceId, 'auth.workspaceId');
  if (configured !== undefined) return { workspaceId: configured, workspaceSource: 'config' };
  return { workspaceId: '', workspaceSource: 'none' };
}

function resolveProject(
  env: Environment,
  cwd: string,
  config: Config,
): Pick<ResolvedScope, 'projectId' | 'projectSource' | 'projectDetail'> {
  const named = parseScopeId(env['PROVENANT_PROJECT_ID'], 'PROVENANT_PROJECT_ID');
  if (named !== undefined) return { projectId: named, projectSource: 'env', projectDetail: 'PROVENANT_PROJECT_ID' };
  const repository = identifyRepository(cwd, env);
  if (repository !== undefined) {
    return {
      projectId: hashedId(repository.value),
      projectSource: repository.source,
      projectDetail: repository.value,
    };
  }
  const configured = parseScopeId(config.auth?.projectId, 'auth.projectId');
  if (configured !== undefined) {
    return { projectId: configured, projectSource: 'config', projectDetail: 'auth.projectId' };
  }
  const directory = realPath(cwd);
  return { projectId: hashedId(directory), projectSource: 'directory', projectDetail: directory };
}

/** The first hex characters of the SHA-256 of the string's UTF-8 bytes, with nothing before or behind it. */
function hashedId(value: string): string {
  return hash('sha256', value, 'hex').slice(0, PROJECT_ID_HEX_CHARACTERS);
}
