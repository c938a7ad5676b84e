/** What hooks remember of an agent's session from one call to the next: a small file each, which goes after some days. */
import fs from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { sha256Hex } from '../../lib/protocol/hash.ts';
import { makeDirectory } from '../../lib/scope/make-directory.ts';
import { brainPaths } from '../../lib/scope/paths.ts';
import type { Context } from '../command.ts';

const KEPT_MS = 7 * 86_400_000;

export interface SessionMark {
  startedMs: number;
  isReminded: boolean;
}

/** Undefined where none was written, or it is damaged. */
export function readSession(context: Context, sessionId: string): SessionMark | undefined {
  try {
    const value = JSON.parse(fs.readFileSync(fileOf(context, sessionId), 'utf8')) as Partial<SessionMark>;
    const { startedMs, isReminded } = value;
    return typeof startedMs === 'number' && typeof isReminded === 'boolean' ? { startedMs, isReminded } : undefined;
  } catch {
    return undefined;
  }
}

export function writeSession(context: Context, sessionId: string, mark: SessionMark): void {
  const file = fileOf(context, sessionId);
  makeDirectory(path.dirname(file), 0o700);
  fs.writeFileSync(file, JSON.stringify(mark), { mode: 0o600 });
  for (const name of fs.readdirSync(path.dirname(file))) {
    const other = path.join(path.dirname(file), name);
    const writtenMs = fs.statSync(other, { throwIfNoEntry: false })?.mtimeMs ?? context.now();
    if (context.now() - writtenMs > KEPT_MS) fs.rmSync(other, { force: true });
  }
}

/** Whatever an agent calls a session, it is a file's name here. */
function fileOf(context: Context, sessionId: string): string {
  const name = sha256Hex(sessionId).slice(0, 32);
  return path.join(brainPaths(context.env, homedir).home, 'sessions', `${name}.json`);
}
