/** Reads a source of `sm brain import --source` from the disk or from git, and gives its records. */
import fs from 'node:fs';
import path from 'node:path';
import { SmError } from '../../lib/core/errors.ts';
import { commitsOf } from '../../lib/scope/git.ts';
import { findRepository, realPath } from '../../lib/scope/git-directory.ts';
import { fileFailure } from '../files.ts';
import { type AdrFile, adrRecords } from './adr.ts';
import { commitRecords } from './commits.ts';
import { instructionRecords } from './instructions.ts';
import { beadsRecords, graphRecords } from './json-sources.ts';
import type { ImportRecord } from './records.ts';
import type { SourceName } from './sources.ts';

const FILE_BYTES_MAX = 64 * 1024 * 1024;

export interface SourceRequest {
  source: SourceName;
  /** A file, or for `adr` a folder; for `git` the directory of the repository. */
  place: string;
  projectId: string;
  /** Of `git`: commits since then. */
  sinceMs?: number;
  env: Readonly<Record<string, string | undefined>>;
}

/** @throws SmError */
export function readSource({ source, place, projectId, sinceMs, env }: SourceRequest): ImportRecord[] {
  try {
    switch (source) {
      case 'adr':
        return adrRecords(markdownIn(place), projectId, nameOf(place, env));
      case 'git':
        fs.accessSync(place); // Else the repository around a slip of the finger would be taken.
        return commitRecords(commitsOf(place, env, sinceMs), projectId);
      case 'instructions':
        return instructionRecords({ ...readText(place), path: nameOf(place, env) }, projectId);
      case 'mcp-memory': {
        const { text, modifiedMs } = readText(place);
        return graphRecords(text, projectId, modifiedMs);
      }
      case 'beads': {
        const { text, modifiedMs } = readText(place);
        return beadsRecords(text, projectId, modifiedMs);
      }
      default:
        return source satisfies never;
    }
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new SmError({
        code: 'bad_request',
        message: `${place} is not what --source ${source} reads: ${error.message}.`,
        hint: 'See sm brain import --help for what each source is.',
        cause: error,
      });
    }
    throw fileFailure(error, place, 'read');
  }
}

/**
 * As it stands in ids and refs, with slashes: from the root of its repository, so that it is the same from every
 * directory and in every clone; outside any from the working directory where it is inside.
 */
function nameOf(place: string, env: SourceRequest['env']): string {
  const real = realPath(path.resolve(place));
  const around = findRepository(path.dirname(real), env);
  const root = around.kind === 'repository' ? around.worktreeDirectory : undefined;
  const relative = path.relative(root ?? realPath(process.cwd()), real);
  const name = relative === '' ? '.' : relative.startsWith('..') ? real : relative;
  return name.split(path.sep).join('/');
}

function markdownIn(folder: string): AdrFile[] {
  return fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.toLowerCase().endsWith('.md'))
    .toSorted()
    .map((name) => ({ path: name.split(path.sep).join('/'), ...readText(path.join(folder, name)) }));
}

function readText(file: string): { text: string; modifiedMs: number } {
  const stat = fs.statSync(file);
  if (stat.size > FILE_BYTES_MAX) {
    throw new SmError({ code: 'too_large', message: `${file} has more than ${FILE_BYTES_MAX / 1024 / 1024} MiB.` });
  }
  return { text: fs.readFileSync(file, 'utf8'), modifiedMs: Math.floor(stat.mtimeMs) };
}
