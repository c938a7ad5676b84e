/** Disks of the size a test wants, and disks that cannot be written. They need root; without it the tests say so. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const CHUNK_BYTES = 256 * 1024;

/** Why there are no disks to be had here, or undefined where there are. */
export function missingForDisks(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'mounting needs root on Linux';
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'sm-mount-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place]);
  if (status === 0) execFileSync('umount', [place]);
  fs.rmdirSync(place);
  return status === 0 ? undefined : 'mounting is not allowed here';
}

export class SmallDisk {
  readonly directory: string;
  readonly #filler: string;

  constructor(bytes: number) {
    this.directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'sm-disk-')));
    this.#filler = path.join(this.directory, 'filler');
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'tmpfs', this.directory]);
  }

  get freeBytes(): number {
    const disk = fs.statfsSync(this.directory);
    return disk.bavail * disk.bsize;
  }

  /** As if somebody else had used the space up, to the last `leftBytes`. */
  fill(leftBytes: number): void {
    const descriptor = fs.openSync(this.#filler, 'a');
    try {
      for (let bytes = 1; bytes > 0;) {
        bytes = Math.min(CHUNK_BYTES, this.freeBytes - leftBytes);
        if (bytes > 0) fs.writeSync(descriptor, Buffer.alloc(bytes, 1));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      fs.closeSync(descriptor);
    }
  }

  free(): void {
    fs.rmSync(this.#filler, { force: true });
  }

  remove(): void {
    execFileSync('umount', ['--lazy', this.directory]);
    fs.rmdirSync(this.directory);
  }
}

/** Makes a directory read-only for everybody, root too, until the returned function is called. */
export function mountReadOnly(directory: string): () => void {
  execFileSync('mount', ['--bind', directory, directory]);
  execFileSync('mount', ['-o', 'remount,bind,ro', directory]);
  return () => void execFileSync('umount', ['--lazy', directory]);
}
