/** What is in a directory, to the byte: names, kinds, permissions and contents. Times of access do not count. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/** Every item under `directory` by its path, with its permissions and the hash of its content. */
export function hashTree(directory: string): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const name of fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const item = path.join(directory, name);
    const stat = fs.lstatSync(item);
    const content = stat.isFile() ? fs.readFileSync(item) : stat.isSymbolicLink() ? fs.readlinkSync(item) : 'directory';
    tree[name] = `${stat.mode.toString(8)} ${createHash('sha256').update(content).digest('hex').slice(0, 16)}`;
  }
  return tree;
}
