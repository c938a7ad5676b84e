/**
 * A directory for PGlite in which fsync is real. PGlite's NODEFS has no fsync at all, so that an acknowledged commit
 * may still be only in the operating system's memory; this gives it one. Owns the hook into PGlite's internals and
 * counts its calls, so that opening can prove that the hook fires (see pglite.ts).
 * Invariant: a failed fsync is reported to PostgreSQL, which then refuses to acknowledge.
 */
import fs from 'node:fs';
import { NodeFS } from '@electric-sql/pglite/nodefs';

/** WASI error numbers, which differ from the host's. Source: wasi_snapshot_preview1 `errno`. */
const WASI_ERRNO: Record<string, number> = { EDQUOT: 19, EIO: 29, ENOENT: 44, ENOSPC: 51, EROFS: 69 };

/** The part of an Emscripten stream on NODEFS that is used here. Directories have no `nfd`. */
interface NodeStream {
  nfd?: number;
  node: unknown;
}

interface NodeFsInternals {
  stream_ops: { fsync?: (stream: NodeStream) => number };
  node_ops: { lookup: (parent: unknown, name: string) => unknown };
  realPath(node: unknown): string;
}

interface EmscriptenInternals {
  NODEFS: NodeFsInternals;
  FS: { ErrnoError: new (errno: number | undefined) => Error };
}

type InitArguments = Parameters<NodeFS['init']>;

export class DurableNodeFs extends NodeFS {
  /** How often PostgreSQL has had a file or directory synced. */
  fsyncCount = 0;

  override async init(...[pg, options]: InitArguments): ReturnType<NodeFS['init']> {
    const initialised = await super.init(pg, options);
    const { preRun } = initialised.emscriptenOpts;
    if (!Array.isArray(preRun)) throw new Error('PGlite has no preRun hooks: its internals have changed');
    preRun.unshift((module: unknown) => {
      const { NODEFS: nodeFs, FS: virtualFs } = module as EmscriptenInternals;
      nodeFs.stream_ops.fsync = (stream) => {
        this.fsyncCount += 1;
        return fsyncStream(stream, nodeFs);
      };
      // For each page that an index grows by PostgreSQL asks for the map of its free pages, which most indexes do not have
      // yet. Node makes an error with a stack of each file that is not there, unless it is told not to.
      const { lookup } = nodeFs.node_ops;
      nodeFs.node_ops.lookup = (parent, name) => {
        if (isMissing(`${nodeFs.realPath(parent)}/${name}`)) throw new virtualFs.ErrnoError(WASI_ERRNO['ENOENT']);
        return lookup(parent, name);
      };
    });
    return initialised;
  }
}

/** False where that cannot be told: PGlite's own look-up makes a number of any other error, which PostgreSQL can report. */
function isMissing(file: string): boolean {
  try {
    return fs.lstatSync(file, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}

/** Returns 0, or a WASI errno. */
function fsyncStream(stream: NodeStream, nodeFs: NodeFsInternals): number {
  try {
    if (stream.nfd !== undefined) fs.fsyncSync(stream.nfd);
    else fsyncDirectory(nodeFs.realPath(stream.node));
    return 0;
  } catch (error) {
    return WASI_ERRNO[(error as NodeJS.ErrnoException).code ?? ''] ?? WASI_ERRNO['EIO'] ?? 29;
  }
}

/** Makes renames and new names in `directory` survive a power cut. Windows cannot sync a directory and needs not. */
export function fsyncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  const descriptor = fs.openSync(directory, 'r');
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
