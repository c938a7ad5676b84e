/**
 * The page's files, as the build made them: read once, named by a table, so that no path of a request ever reaches the
 * file system.
 */
import fs from 'node:fs';
import path from 'node:path';
import { assetPath } from '../lib/store/assets.ts';

export interface Asset {
  body: Buffer;
  gzipped: Buffer | undefined;
  type: string;
  /** Its name changes with its contents, so it may be kept for ever. */
  isImmutable: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
};

export type Assets = ReadonlyMap<string, Asset>;

export function loadAssets(directory: string = assetPath('portal')): Assets {
  const names = fs.readdirSync(directory).filter((name) => Object.hasOwn(TYPES, path.extname(name)));
  return new Map(
    names.map((name) => {
      const packed = path.join(directory, `${name}.gz`);
      return [
        name,
        {
          body: fs.readFileSync(path.join(directory, name)),
          gzipped: fs.existsSync(packed) ? fs.readFileSync(packed) : undefined,
          type: TYPES[path.extname(name)] ?? '',
          isImmutable: /-[A-Z0-9]{8}\./.test(name),
        },
      ];
    }),
  );
}
