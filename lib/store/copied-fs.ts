/**
 * A data directory as a copy in memory, for reading where the disk has no room. PostgreSQL writes even when it only reads:
 * hints in pages that were written lately go into the WAL, and a directory that was not shut down is recovered first.
 * Invariant: nothing is ever written to the directory itself.
 */
import fs from 'node:fs';
import path from 'node:path';
import { MemoryFS, PGlite } from '@electric-sql/pglite';

/** The part of Emscripten's file system that is used here. */
interface MemoryFiles {
  mkdirTree(path: string): void;
  writeFile(path: string, data: Uint8Array): void;
}

export class CopiedFs extends MemoryFS {
  readonly #directory: string;

  constructor(directory: string) {
    super();
    this.#directory = directory;
  }

  override async init(...[pg, options]: Parameters<MemoryFS['init']>): ReturnType<MemoryFS['init']> {
    const { emscriptenOpts } = await super.init(pg, options);
    const copy = (module: unknown): void =>
      copyInto((module as { FS: MemoryFiles }).FS, this.#directory, PGlite.paths.PGDATA);
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...preRunOf(emscriptenOpts), copy] } };
  }
}

type PreRun = ((module: unknown) => void)[];

function preRunOf({ preRun }: { preRun?: unknown }): PreRun {
  return Array.isArray(preRun) ? (preRun as PreRun) : [];
}

function copyInto(files: MemoryFiles, source: string, target: string): void {
  files.mkdirTree(target);
  for (const item of fs.readdirSync(source, { withFileTypes: true })) {
    const from = path.join(source, item.name);
    const to = `${target}/${item.name}`;
    if (item.isDirectory()) copyInto(files, from, to);
    else if (item.isFile()) files.writeFile(to, fs.readFileSync(from));
  }
}

/** Bytes of all files in the directory. */
export function bytesIn(directory: string): number {
  return fs
    .readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((item) => item.isFile())
    .reduce(
      (sum, item) => sum + (fs.statSync(path.join(item.parentPath, item.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
}
