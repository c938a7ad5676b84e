/** The built command line, run as agents run it: a process for every command. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface CommandResult {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** The program that the package installs as `sm`. */
export function smProgram(): string {
  const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { bin: { sm: string } };
  return path.join(ROOT, manifest.bin.sm);
}

/** Runs `sm` with its home in `home`, in the project `project`. */
export function runSm(home: string, words: string[], { cwd = home }: { cwd?: string } = {}): Promise<CommandResult> {
  const child = spawn(process.execPath, [smProgram(), ...words], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, STACKMEMORY_HOME: home, PROVENANT_PROJECT_ID: 'project', PROVENANT_WORKSPACE_ID: '' },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
}

/** Runs `jobs` so that at most `laneCount` are under way at once. */
export async function inLanes<T, R>(laneCount: number, jobs: T[], run: (job: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < jobs.length; index = next++) results[index] = await run(jobs[index] as T);
  };
  await Promise.all(Array.from({ length: laneCount }, lane));
  return results;
}
