/**
 * Makes an agent's settings what its catalogue wishes, and takes it back: reads the files, plans, and writes. Owns the
 * backups and the note of what was written, by which taking back gives the very bytes that were there before, as long as
 * nobody else has written since.
 * Invariant: a file is replaced in one step, keeps its mode, and is never touched where it could not be read or edited.
 */
import fs from 'node:fs';
import path from 'node:path';
import { SmError, toSmError } from '../core/errors.ts';
import { CODING_AGENTS } from '../core/vocabulary.ts';
import { ensurePrivateDirectory } from '../host/places.ts';
import { writePrivateFile, writeWhole } from '../host/private-file.ts';
import { sha256Hex } from '../protocol/hash.ts';
import { type AgentName, type Places, PROGRAMS, type SetupScope, wishesOf } from './catalogue.ts';
import { applyEdit, revertEdit } from './edit.ts';
import type { Edit } from './wish.ts';

const FILE_BYTES_MAX = 32 * 1024 * 1024;

export interface SetupRequest {
  agent: AgentName;
  scope: SetupScope;
  isRemoving: boolean;
  home: string;
  root: string;
  env: Readonly<Record<string, string | undefined>>;
  program: readonly string[];
  /** Where backups and notes are kept; made where it is missing. */
  stateDirectory: string;
}

export interface PlannedFile {
  file: string;
  /** Undefined: there is none. */
  before: string | undefined;
  after: string | undefined;
}

interface Note {
  /** Agents whose wishes are in the file. */
  agents: string[];
  /** The backup of what was there before the first of them; null where there was no file. */
  backup: string | null;
  /** SHA-256 of what was written last. */
  written: string;
  /** The topmost directory that was made for it. */
  made?: string;
}

/** Agents that are installed, by their programs on the PATH. */
export function detectAgents(env: SetupRequest['env']): AgentName[] {
  const directories = (env['PATH'] ?? '').split(path.delimiter).filter((directory) => directory !== '');
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', ''] : [''];
  const isThere = (program: string) =>
    directories.some((directory) => endings.some((ending) => fs.existsSync(path.join(directory, program + ending))));
  return CODING_AGENTS.filter((agent) => PROGRAMS[agent].some((program) => isThere(program)));
}

/** What would change; files that are as they should be are left out. @throws SmError naming the file */
export function planSetup(request: SetupRequest): PlannedFile[] {
  const notes = readNotes(request);
  return wishesOf(request.agent, placesOf(request)).flatMap(({ file, edits }) => {
    const before = readSettings(file);
    const after = request.isRemoving
      ? withoutWish(request, notes.get(file), { file, before, edits })
      : named(file, () => edits.reduce((text, edit) => applyEdit(text, edit), originalOf(notes.get(file), before)));
    return after === before ? [] : [{ file, before, after }];
  });
}

/**
 * Writes what was planned, its own note and backup first: without them it could not be taken back.
 * @throws SmError naming the file; those before it are written then, and nothing is where the note cannot be
 */
export function carryOut(request: SetupRequest, planned: readonly PlannedFile[]): void {
  const notes = readNotes(request);
  ensurePrivateDirectory(request.stateDirectory);
  // What holds already is noted as well: somebody else's taking back must leave it.
  for (const { file } of request.isRemoving ? [] : wishesOf(request.agent, placesOf(request))) {
    const note = notes.get(file);
    if (note !== undefined && !note.agents.includes(request.agent)) note.agents.push(request.agent);
  }
  writeNotes(request, notes);
  for (const { file, before, after } of planned) {
    if (readSettings(file) !== before) {
      throw new SmError({
        code: 'conflict',
        message: `${file} was changed meanwhile.`,
        hint: 'Run the command again.',
      });
    }
    if (request.isRemoving) replace(file, after);
    else replaceNoted(request, notes, { file, before, after });
  }
  if (!request.isRemoving) return;
  removeMadeDirectories(planned, notes);
  forget(request, notes);
  writeNotes(request, notes);
}

function replaceNoted(request: SetupRequest, notes: Map<string, Note>, { file, before, after }: PlannedFile): void {
  const note = notes.get(file);
  const made = note?.made ?? topmostMissing(path.dirname(file));
  notes.set(file, {
    agents: note?.agents ?? [request.agent],
    backup: isUntouched(note, before) ? note.backup : backUp(request, before),
    written: sha256Hex(after ?? ''),
    ...(made === undefined ? {} : { made }),
  });
  writeNotes(request, notes);
  try {
    replace(file, after);
  } catch (error) {
    if (note === undefined) notes.delete(file);
    else notes.set(file, note);
    writeNotes(request, notes);
    throw error;
  }
}

function topmostMissing(directory: string): string | undefined {
  let missing: string | undefined;
  for (let current = directory; !fs.existsSync(current); current = path.dirname(current)) missing = current;
  return missing;
}

/** Those that setting up has made and in which nothing is left. */
function removeMadeDirectories(planned: readonly PlannedFile[], notes: ReadonlyMap<string, Note>): void {
  const gone = planned.flatMap(({ file, after }) => {
    const made = after === undefined ? notes.get(file)?.made : undefined;
    return made === undefined ? [] : [{ file, made }];
  });
  // From below: one may be inside another.
  for (const { file, made } of gone.toSorted((one, other) => other.made.length - one.made.length)) {
    for (let current = path.dirname(file); current.startsWith(made); current = path.dirname(current)) {
      if (!fs.existsSync(current)) continue;
      if (fs.readdirSync(current).length > 0) break;
      fs.rmdirSync(current);
    }
  }
}

/** Nobody has written since, and what was there before is at hand. */
function isUntouched(note: Note | undefined, present: string | undefined): note is Note {
  if (note === undefined || present === undefined || note.written !== sha256Hex(present)) return false;
  return note.backup === null || fs.existsSync(note.backup);
}

/** What is edited: without what an earlier run has written, so that the program's new place takes the old one's. */
function originalOf(note: Note | undefined, present: string | undefined): string {
  if (!isUntouched(note, present)) return present ?? '';
  return note.backup === null ? '' : fs.readFileSync(note.backup, 'utf8');
}

/** @returns undefined where the file goes altogether */
function withoutWish(
  { agent }: SetupRequest,
  note: Note | undefined,
  { file, before, edits }: { file: string; before: string | undefined; edits: readonly Edit[] },
): string | undefined {
  if (before === undefined) return undefined;
  // Another agent reads the same file.
  if (note?.agents.some((other) => other !== agent) === true) return before;
  if (isUntouched(note, before)) return note.backup === null ? undefined : fs.readFileSync(note.backup, 'utf8');
  const left = named(file, () => edits.toReversed().reduce((text, edit) => revertEdit(text, edit), before));
  // Of a file of ours alone nothing is left.
  return left === '' && edits.every(({ format }) => format === 'file') ? undefined : left;
}

/** This agent no longer wishes anything. */
function forget(request: SetupRequest, notes: Map<string, Note>): void {
  for (const { file } of wishesOf(request.agent, placesOf(request))) {
    const note = notes.get(file);
    if (note === undefined) continue;
    note.agents = note.agents.filter((other) => other !== request.agent);
    if (note.agents.length === 0) notes.delete(file);
  }
}

function placesOf({ scope, home, root, env, program }: SetupRequest): Places {
  // A project's files are shared: the name alone means this program on every machine.
  return { scope, home, root, env, exists: fs.existsSync, program: scope === 'project' ? ['sm'] : program };
}

function readSettings(file: string): string | undefined {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (!stat.isFile()) throw refused(file, 'it is not a file.', 'Move it away.');
  if (stat.size > FILE_BYTES_MAX) throw refused(file, 'it is too large for settings.', 'Look at what it is.');
  const bytes = inWords(file, () => fs.readFileSync(file));
  const text = bytes.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes)) throw refused(file, 'it is not UTF-8.', 'Save it as UTF-8 first.');
  return text;
}

/** Beside it and renamed, with its mode; a symbolic link stays one. */
function replace(file: string, text: string | undefined): void {
  inWords(file, () => {
    const target =
      fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true ? fs.realpathSync(file) : file;
    if (text === undefined) return fs.rmSync(target);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    const stat = fs.statSync(target, { throwIfNoEntry: false });
    // One that its owner has made read-only is not to be written, though renaming would do it.
    if (stat !== undefined) fs.accessSync(target, fs.constants.W_OK);
    if (stat !== undefined && (stat.mode & 0o200) === 0) throw Object.assign(new Error(), { code: 'EACCES' });
    writeWhole(target, text, stat?.mode);
  });
}

function backUp({ stateDirectory }: SetupRequest, before: string | undefined): string | null {
  if (before === undefined) return null;
  const file = path.join(stateDirectory, `${sha256Hex(before).slice(0, 32)}.backup`);
  writePrivateFile(file, before);
  return file;
}

function notesFile({ stateDirectory }: SetupRequest): string {
  return path.join(stateDirectory, 'written.json');
}

function readNotes(request: SetupRequest): Map<string, Note> {
  try {
    return new Map(Object.entries(JSON.parse(fs.readFileSync(notesFile(request), 'utf8')) as Record<string, Note>));
  } catch {
    return new Map(); // None yet, or damaged: then what was written is taken back entry by entry.
  }
}

function writeNotes(request: SetupRequest, notes: ReadonlyMap<string, Note>): void {
  writePrivateFile(notesFile(request), `${JSON.stringify(Object.fromEntries(notes), null, 2)}\n`);
}

function named<T>(file: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    const { message, hint } = toSmError(error);
    throw refused(file, message, hint);
  }
}

function inWords<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof SmError || code === undefined) throw error;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new SmError({
        code: 'disk_full',
        message: `The disk that holds ${file} is full.`,
        hint: 'Nothing of it was written. Free some space and run the command again.',
        cause: error,
      });
    }
    throw new SmError({
      code: 'no_permission',
      message: `${file} cannot be changed (${code}).`,
      hint: 'Nothing of it was written. Give yourself the right to, or make the entry by hand: see docs/AGENTS.md.',
      cause: error,
    });
  }
}

function refused(file: string, why: string, hint: string | undefined): SmError {
  return new SmError({
    code: 'config_invalid',
    message: `${file} is left as it is: ${why}`,
    ...(hint === undefined ? {} : { hint }),
  });
}
