/**
 * Makes an agent's settings what its catalogue wishes, and takes it back: reads the files, plans, and writes.
 * Invariant: a file is never touched where it could not be read or edited, nor before it is noted what was there.
 */
import fs from 'node:fs';
import path from 'node:path';
import { SmError } from '../core/errors.ts';
import { CODING_AGENTS } from '../core/vocabulary.ts';
import { ensurePrivateDirectory } from '../host/places.ts';
import { sha256Hex } from '../protocol/hash.ts';
import { type AgentName, type Places, PROGRAMS, type SetupScope, wishesOf } from './catalogue.ts';
import { applyEdit, revertEdit } from './edit.ts';
import { removeMadeDirectories, topmostMissing } from './made-directories.ts';
import { backUp, isUntouched, type Note, type Notes, originalOf, readNotes, writeNotes } from './notes.ts';
import { namingFile, readSettings, replaceSettings } from './settings-file.ts';
import type { Edit } from './wish.ts';

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
  const notes = readNotes(request.stateDirectory);
  return wishesOf(request.agent, placesOf(request)).flatMap(({ file, edits }) => {
    const before = readSettings(file);
    const after = request.isRemoving
      ? withoutWish(request, notes.get(file), { file, before, edits })
      : namingFile(file, () =>
          edits.reduce((text, edit) => applyEdit(text, edit), originalOf(notes.get(file), before)),
        );
    return after === before ? [] : [{ file, before, after }];
  });
}

/**
 * Writes what was planned, its own note and backup first: without them it could not be taken back.
 * @throws SmError naming the file; those before it are written then, and nothing is where the note cannot be
 */
export function carryOut(request: SetupRequest, planned: readonly PlannedFile[]): void {
  const notes = readNotes(request.stateDirectory);
  ensurePrivateDirectory(request.stateDirectory);
  // What holds already is noted as well: somebody else's taking back must leave it.
  for (const { file } of request.isRemoving ? [] : wishesOf(request.agent, placesOf(request))) {
    const note = notes.get(file);
    if (note !== undefined && !note.agents.includes(request.agent)) note.agents.push(request.agent);
  }
  writeNotes(request.stateDirectory, notes);
  for (const { file, before, after } of planned) {
    if (readSettings(file) !== before) {
      throw new SmError({
        code: 'conflict',
        message: `${file} was changed meanwhile.`,
        hint: 'Run the command again.',
      });
    }
    if (request.isRemoving) replaceSettings(file, after);
    else replaceNoted(request, notes, { file, before, after });
  }
  if (!request.isRemoving) return;
  removeMadeDirectories(forget(request, notes), notes);
  writeNotes(request.stateDirectory, notes);
}

function replaceNoted(request: SetupRequest, notes: Notes, { file, before, after }: PlannedFile): void {
  const note = notes.get(file);
  const made = note?.made ?? topmostMissing(path.dirname(file));
  notes.set(file, {
    agents: note?.agents ?? [request.agent],
    backup: isUntouched(note, before) ? note.backup : backUp(request.stateDirectory, before),
    written: sha256Hex(after ?? ''),
    ...(made === undefined ? {} : { made }),
  });
  writeNotes(request.stateDirectory, notes);
  try {
    replaceSettings(file, after);
  } catch (error) {
    if (note === undefined) notes.delete(file);
    else notes.set(file, note);
    writeNotes(request.stateDirectory, notes);
    throw error;
  }
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
  const left = namingFile(file, () => edits.toReversed().reduce((text, edit) => revertEdit(text, edit), before));
  // Of a file of ours alone nothing is left.
  return left === '' && edits.every(({ format }) => format === 'file') ? undefined : left;
}

/** This agent no longer wishes anything. @returns the notes of files that nobody wishes anything of now */
function forget(request: SetupRequest, notes: Notes): Notes {
  const forgotten: Notes = new Map();
  for (const { file } of wishesOf(request.agent, placesOf(request))) {
    const note = notes.get(file);
    if (note === undefined) continue;
    note.agents = note.agents.filter((other) => other !== request.agent);
    if (note.agents.length > 0) continue;
    notes.delete(file);
    forgotten.set(file, note);
  }
  return forgotten;
}

function placesOf({ scope, home, root, env, program }: SetupRequest): Places {
  // A project's files are shared: the name alone means this program on every machine.
  return { scope, home, root, env, exists: fs.existsSync, program: scope === 'project' ? ['sm'] : program };
}
