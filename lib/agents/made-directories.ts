/** Directories that setting up had to make, by the notes of the files in them: they go with the last file that needs them. */
import fs from 'node:fs';
import path from 'node:path';
import type { Notes } from './notes.ts';

/** What has to be made for `directory` to be there; undefined where it is. */
export function topmostMissing(directory: string): string | undefined {
  let missing: string | undefined;
  for (let current = directory; !fs.existsSync(current); current = path.dirname(current)) missing = current;
  return missing;
}

/**
 * Removes those of these files in which nothing is left. What another file still needs passes to its note, so that it goes
 * with that one.
 */
export function removeMadeDirectories(forgotten: Notes, remaining: Notes): void {
  const made = [...forgotten].flatMap(([file, note]) => (note.made === undefined ? [] : [{ file, made: note.made }]));
  // From below: one may be inside another.
  for (const each of made.toSorted((one, other) => other.made.length - one.made.length)) {
    removeEmpty(each.file, each.made);
    if (fs.existsSync(each.made)) passOn(each.made, remaining);
  }
}

function removeEmpty(file: string, made: string): void {
  for (let current = path.dirname(file); isWithin(current, made); current = path.dirname(current)) {
    if (!fs.existsSync(current)) continue;
    if (fs.readdirSync(current).length > 0) return;
    fs.rmdirSync(current);
  }
}

function passOn(made: string, remaining: Notes): void {
  for (const [file, note] of remaining) {
    if (isWithin(path.dirname(file), made) && (note.made === undefined || isWithin(note.made, made))) note.made = made;
  }
}

function isWithin(place: string, directory: string): boolean {
  return place === directory || place.startsWith(directory + path.sep);
}
