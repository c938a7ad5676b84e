/**
 * Preloaded into a host (`node --import`), in its threads too: keeps a journal of what of a brain's directory a power
 * cut would leave. The model, strict but fair:
 * - a file holds what it held at its last fsync; one that was never synced is empty;
 * - a directory holds the names it held at its own last fsync; a new file's first fsync makes its name durable too, as
 *   journaling file systems do, but never a rename or a removal;
 * - what was written since may survive page by page, or not: such writes are in the journal as well, marked as such.
 * Environment: SM_RECORD_ROOT the directory, SM_RECORD_JOURNAL the file, SM_RECORD_BLIND a part of the paths whose
 * fsync does nothing (to show that the test would see it). Read by host-power-cut.ts.
 */
import { createRequire } from 'node:module';
import path from 'node:path';

const fs = createRequire(import.meta.url)('node:fs');
const original = { ...fs };
const root = process.env.SM_RECORD_ROOT;
const blind = process.env.SM_RECORD_BLIND;
const journal = original.openSync(process.env.SM_RECORD_JOURNAL, 'a');

/** One record: its length, a line of JSON, and raw bytes. One write, so that threads do not mix theirs. */
function note(fact, bytes = Buffer.alloc(0)) {
  const line = Buffer.from(`${JSON.stringify({ ...fact, bytes: bytes.length })}\n`);
  const header = Buffer.alloc(4);
  header.writeUInt32BE(line.length + bytes.length);
  original.writeSync(journal, Buffer.concat([header, line, bytes]));
}

/** An inode number is used again after a removal; with the time of birth it is an identity. */
function identityOf(stat) {
  return `${stat.ino}:${stat.birthtimeNs}`;
}

function placeOf(descriptor) {
  const place = original.readlinkSync(`/proc/self/fd/${descriptor}`);
  return place === root || place.startsWith(`${root}/`) ? place : undefined;
}

/** The chain of directories from the root down to `place`, by name and identity. */
function chainTo(place) {
  const names = path.relative(root, place).split(path.sep).filter(Boolean);
  return names.map((name, depth) => {
    const stat = original.statSync(path.join(root, ...names.slice(0, depth + 1)), {
      bigint: true,
      throwIfNoEntry: false,
    });
    return { name, id: stat === undefined ? 'gone' : identityOf(stat) };
  });
}

function noteSync(descriptor, place) {
  const stat = original.fstatSync(descriptor, { bigint: true });
  const chain = chainTo(place);
  if (stat.isDirectory()) {
    const names = original.readdirSync(place).flatMap((name) => {
      const child = original.lstatSync(path.join(place, name), { bigint: true, throwIfNoEntry: false });
      return child === undefined ? [] : [{ name, id: identityOf(child), isDirectory: child.isDirectory() }];
    });
    note({ kind: 'directory', place: path.relative(root, place), id: identityOf(stat), chain, names });
  } else {
    note(
      { kind: 'file', place: path.relative(root, place), id: identityOf(stat), chain },
      original.readFileSync(place),
    );
  }
}

fs.fsyncSync = (descriptor) => {
  const place = placeOf(descriptor);
  if (place === undefined) return original.fsyncSync(descriptor);
  if (blind !== undefined && place.includes(blind)) return undefined;
  original.fsyncSync(descriptor);
  noteSync(descriptor, place);
  return undefined;
};

fs.fsync = (descriptor, callback) => {
  try {
    fs.fsyncSync(descriptor);
    callback(null);
  } catch (error) {
    callback(error);
  }
};

fs.writeSync = (descriptor, buffer, ...rest) => {
  const written = original.writeSync(descriptor, buffer, ...rest);
  const [offset, length, position] = rest;
  const place = typeof position === 'number' ? placeOf(descriptor) : undefined;
  if (place !== undefined) {
    const stat = original.fstatSync(descriptor, { bigint: true });
    const bytes = Buffer.from(buffer.buffer, buffer.byteOffset + offset, Math.min(length, written));
    note({ kind: 'unsynced', id: identityOf(stat), position }, bytes);
  }
  return written;
};
