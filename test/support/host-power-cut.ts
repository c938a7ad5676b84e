/** Reads the journal of host-power-recorder.mjs, and makes the directory that a power cut at any of its records leaves. */
import fs from 'node:fs';
import path from 'node:path';

const HEADER_BYTES = 4;
/** What survives of an unsynced write, survives by pages. */
const PAGE_BYTES = 4_096;

interface Name {
  name: string;
  id: string;
  isDirectory?: boolean;
}

type Fact =
  | { kind: 'file'; place: string; id: string; chain: Name[] }
  | { kind: 'directory'; place: string; id: string; chain: Name[]; names: Name[] }
  | { kind: 'unsynced'; id: string; position: number };

export interface JournalRecord {
  fact: Fact;
  bytes: Buffer;
  /** Where in the journal it ends: the moment at which it holds. */
  end: number;
}

export function readJournal(file: string): JournalRecord[] {
  const journal = fs.readFileSync(file);
  const records: JournalRecord[] = [];
  for (let start = 0; start + HEADER_BYTES <= journal.length;) {
    const end = start + HEADER_BYTES + journal.readUInt32BE(start);
    if (end > journal.length) break; // Still being written.
    const lineEnd = journal.indexOf('\n', start + HEADER_BYTES);
    const fact = JSON.parse(journal.toString('utf8', start + HEADER_BYTES, lineEnd)) as Fact;
    records.push({ fact, bytes: journal.subarray(lineEnd + 1, end), end });
    start = end;
  }
  return records;
}

/**
 * Fills `directory` with what the records leave.
 * @param survives whether a page that was written but not synced reached the disk all the same
 */
export function cutPower(records: JournalRecord[], directory: string, survives: () => boolean): void {
  const contents = new Map<string, Buffer>();
  const names = new Map<string, Map<string, Name>>();
  const unsynced = new Map<string, JournalRecord[]>();
  const rootNames = new Map<string, Name>();
  for (const record of records) {
    const { fact } = record;
    if (fact.kind === 'unsynced') {
      unsynced.set(fact.id, [...(unsynced.get(fact.id) ?? []), record]);
      continue;
    }
    addChain(rootNames, names, fact.chain, fact.kind === 'directory');
    if (fact.kind === 'file') {
      contents.set(fact.id, record.bytes);
      unsynced.delete(fact.id);
    } else {
      const listed = new Map(fact.names.map((each) => [each.name, each]));
      if (fact.place === '') replace(rootNames, listed);
      else names.set(fact.id, listed);
    }
  }
  for (const [id, writes] of unsynced) contents.set(id, withSurvivors(contents.get(id), writes, survives));
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  write(directory, rootNames, names, contents);
}

/** A new file or directory that is synced takes its own name, and those above it, along. */
function addChain(
  root: Map<string, Name>,
  names: Map<string, Map<string, Name>>,
  chain: Name[],
  isDirectory: boolean,
): void {
  let parent = root;
  for (const [depth, { name, id }] of chain.entries()) {
    const isLast = depth === chain.length - 1;
    const isKnown = [...parent.values()].some((known) => known.id === id);
    if (!isKnown) parent.set(name, { name, id, isDirectory: !isLast || isDirectory });
    if (isLast) return;
    const next = names.get(id) ?? new Map<string, Name>();
    names.set(id, next);
    parent = next;
  }
}

function replace(target: Map<string, Name>, source: Map<string, Name>): void {
  target.clear();
  for (const [name, each] of source) target.set(name, each);
}

function withSurvivors(synced: Buffer | undefined, writes: JournalRecord[], survives: () => boolean): Buffer {
  let content = Buffer.from(synced ?? Buffer.alloc(0));
  for (const { fact, bytes } of writes) {
    const { position } = fact as Extract<Fact, { kind: 'unsynced' }>;
    for (let from = 0; from < bytes.length;) {
      const to = Math.min(bytes.length, from + PAGE_BYTES - ((position + from) % PAGE_BYTES));
      if (survives()) {
        const missing = position + to - content.length;
        if (missing > 0) content = Buffer.concat([content, Buffer.alloc(missing)]);
        bytes.copy(content, position + from, from, to);
      }
      from = to;
    }
  }
  return content;
}

function write(
  directory: string,
  listed: Map<string, Name>,
  names: Map<string, Map<string, Name>>,
  contents: Map<string, Buffer>,
): void {
  for (const { name, id, isDirectory } of listed.values()) {
    const place = path.join(directory, name);
    if (isDirectory !== true) {
      fs.writeFileSync(place, contents.get(id) ?? '', { mode: 0o600 });
      continue;
    }
    fs.mkdirSync(place, { mode: 0o700 });
    write(place, names.get(id) ?? new Map<string, Name>(), names, contents);
  }
}
