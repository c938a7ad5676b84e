/**
 * What setting up has written into files that are somebody else's, kept in a directory of our own: by whom each was wished,
 * and what was there before. By it taking back gives the very bytes of before, as long as nobody else has written since.
 */
import fs from 'node:fs';
import path from 'node:path';
import { writePrivateFile } from '../host/private-file.ts';
import { sha256Hex } from '../protocol/hash.ts';

export interface Note {
  /** Agents whose wishes are in the file. */
  agents: string[];
  /** The backup of what was there before the first of them; null where there was no file. */
  backup: string | null;
  /** SHA-256 of what was written last. */
  written: string;
  /** The topmost directory that was made for it. */
  made?: string;
}

/** By file. */
export type Notes = Map<string, Note>;

function notesFile(stateDirectory: string): string {
  return path.join(stateDirectory, 'written.json');
}

export function readNotes(stateDirectory: string): Notes {
  try {
    return new Map(
      Object.entries(JSON.parse(fs.readFileSync(notesFile(stateDirectory), 'utf8')) as Record<string, Note>),
    );
  } catch {
    return new Map(); // None yet, or damaged: then what was written is taken back entry by entry.
  }
}

/** @throws SmError */
export function writeNotes(stateDirectory: string, notes: ReadonlyMap<string, Note>): void {
  writePrivateFile(notesFile(stateDirectory), `${JSON.stringify(Object.fromEntries(notes), null, 2)}\n`);
}

/** @returns its place; null where there was nothing. @throws SmError */
export function backUp(stateDirectory: string, before: string | undefined): string | null {
  if (before === undefined) return null;
  const file = path.join(stateDirectory, `${sha256Hex(before).slice(0, 32)}.backup`);
  writePrivateFile(file, before);
  return file;
}

/** Nobody has written since, and what was there before is at hand. */
export function isUntouched(note: Note | undefined, present: string | undefined): note is Note {
  if (note === undefined || present === undefined || note.written !== sha256Hex(present)) return false;
  return note.backup === null || fs.existsSync(note.backup);
}

/** What is edited: without what an earlier run has written, so that the program's new place takes the old one's. */
export function originalOf(note: Note | undefined, present: string | undefined): string {
  if (!isUntouched(note, present)) return present ?? '';
  return note.backup === null ? '' : fs.readFileSync(note.backup, 'utf8');
}
