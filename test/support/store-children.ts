/** Starts store-child.ts, bundled once with the migrations that the test gives it. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { makeDirectory, removeDirectory } from './stores.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface ChildEnd {
  wasKilled: boolean;
  /** Steps and migrations of a child that was not killed. */
  steps: number;
  migrationsRun: number;
}

export class StoreChildren {
  /** The migrations that the children run; a test may add to them. */
  readonly migrationsDirectory: string;
  readonly #home: string;
  readonly #program: string;

  private constructor(home: string) {
    this.#home = home;
    this.#program = path.join(home, 'child.mjs');
    this.migrationsDirectory = path.join(home, 'migrations');
  }

  static async bundle(): Promise<StoreChildren> {
    const children = new StoreChildren(makeDirectory());
    fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(children.#home, 'node_modules'));
    fs.symlinkSync(path.join(ROOT, 'dist/template.tar.gz'), path.join(children.#home, 'template.tar.gz'));
    fs.cpSync(path.join(ROOT, 'lib/store/migrations'), children.migrationsDirectory, { recursive: true });
    await build({
      absWorkingDir: ROOT,
      entryPoints: [fileURLToPath(new URL('./store-child.ts', import.meta.url))],
      outfile: children.#program,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      external: ['@electric-sql/*'],
      logLevel: 'error',
    });
    return children;
  }

  /** Runs a child to its end, or to its death at step `killAt`. @throws Error with what a child that failed has said */
  run(task: 'create' | 'open', brainDirectory: string, killAt?: number): ChildEnd {
    const { signal, status, stdout, stderr } = spawnSync(process.execPath, [this.#program], {
      encoding: 'utf8',
      timeout: 60_000,
      env: {
        ...process.env,
        CHILD_TASK: task,
        CHILD_DIRECTORY: brainDirectory,
        ...(killAt === undefined ? {} : { CHILD_KILL_AT: String(killAt) }),
      },
    });
    if (signal !== 'SIGKILL' && status !== 0) throw new Error(`the child failed: ${stderr}`);
    if (signal === 'SIGKILL') return { wasKilled: true, steps: 0, migrationsRun: 0 };
    return { wasKilled: false, ...(JSON.parse(stdout) as { steps: number; migrationsRun: number }) };
  }

  dispose(): void {
    removeDirectory(this.#home);
  }
}
