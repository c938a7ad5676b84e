/** How this program came here, how it is started, and what npm knows of it. npm itself is asked, so that its settings and mirrors hold. */
import { execFile, type ExecFileException } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { SmError } from '../lib/core/errors.ts';
import type { Installation } from './command.ts';

const NAME = 'stackmemory';
const ASK_TIMEOUT_MS = 30_000;
const INSTALL_TIMEOUT_MS = 10 * 60_000;
const UNREACHABLE =
  /\b(?:ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ERR_SOCKET_TIMEOUT)\b/;
/** Of what npm says when it fails. */
const COMPLAINT_CHARACTERS = 400;

export function installation(): Installation {
  const directory = path.resolve(ownFile(), '../..');
  if (fs.existsSync(path.join(directory, '.git'))) return { kind: 'checkout', directory };
  const prefix = prefixOf(directory);
  return prefix === undefined ? { kind: 'other', directory } : { kind: 'global', directory, prefix };
}

/**
 * How another program starts this one: by its name, where the PATH leads here; else by Node and the file, as one that
 * was not installed can be started.
 */
export function programWords(env: Readonly<Record<string, string | undefined>>): string[] {
  const own = ownFile();
  const first = (env['PATH'] ?? '')
    .split(path.delimiter)
    .map((directory) => path.join(directory, 'sm'))
    .find((file) => path.isAbsolute(file) && fs.existsSync(file));
  if (first !== undefined && fs.realpathSync(first) === own) return ['sm'];
  return [process.execPath, own];
}

/** dist/sm.cjs, wherever links led from. */
function ownFile(): string {
  return fs.realpathSync(process.argv[1] ?? '');
}

/** Where `npm install --global` put it; undefined where it did not. */
function prefixOf(directory: string): string | undefined {
  const modules = path.dirname(directory);
  if (path.basename(directory) !== NAME || path.basename(modules) !== 'node_modules') return undefined;
  if (process.platform === 'win32') return path.dirname(modules);
  const library = path.dirname(modules);
  return path.basename(library) === 'lib' ? path.dirname(library) : undefined;
}

export async function newestVersion(): Promise<string> {
  const said = await npm(['view', NAME, 'version', '--json'], ASK_TIMEOUT_MS);
  const version: unknown = JSON.parse(said);
  if (typeof version === 'string' && /^\d+\.\d+\.\d+/.test(version)) return version;
  throw unavailable('npm did not say which version is the newest.');
}

export async function installVersion(prefix: string, wanted: string): Promise<void> {
  const options = ['--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund'];
  await npm(['install', '--global', `--prefix=${prefix}`, ...options, `${NAME}@${wanted}`], INSTALL_TIMEOUT_MS);
}

/** What it prints. */
function npm(args: readonly string[], timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    // Windows finds npm only through a shell; no argument here is the user's.
    const options = { timeout: timeoutMs, shell: process.platform === 'win32' };
    execFile('npm', ['--no-update-notifier', ...args], options, (error, out, complaint) => {
      if (error === null) resolve(out);
      else reject(explain(error, complaint));
    });
  });
}

function explain(error: ExecFileException, complaint: string): SmError {
  if (error.code === 'ENOENT') return unavailable('npm is not installed, or not on the PATH.');
  const lines = complaint.split('\n').filter((line) => line.startsWith('npm error') && !line.includes('complete log'));
  const said = lines.map((line) => line.replace(/^npm error ?/, '')).join(' ');
  if (/\bEACCES\b|\bEPERM\b/.test(said)) {
    return new SmError({
      code: 'no_permission',
      message: 'This user may not write where StackMemory is installed.',
      hint: 'On a box: sudo stackmemory-setup --upgrade. Elsewhere: sudo sm upgrade.',
      cause: error,
    });
  }
  if (/\bE404\b|\bETARGET\b/.test(said)) return unavailable(`npm's registry does not have that version of ${NAME}.`);
  const [unreachable] = UNREACHABLE.exec(said) ?? [];
  if (unreachable !== undefined) return unavailable(`npm's registry cannot be reached (${unreachable}).`);
  return unavailable(`npm failed: ${said.slice(0, COMPLAINT_CHARACTERS) || error.message}`);
}

function unavailable(message: string): SmError {
  return new SmError({ code: 'unavailable', message, hint: 'See npm ping, and npm config get registry.' });
}
