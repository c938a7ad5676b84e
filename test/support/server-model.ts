/**
 * What is current and what is in conflict, from the definitions alone: slow and plain. Of a server it is given every
 * change that was stored; of a brain, what it was sent.
 */
import type { Entry } from '../../lib/core/entry.ts';
import { compareStamps } from '../../lib/core/merge.ts';

export interface ModelVersion {
  hash: string;
  base: string | null;
  replaces: string[];
  entry: Entry;
}

export class LogModel {
  readonly #versions: ModelVersion[] = [];

  add(version: ModelVersion): void {
    this.#versions.push(version);
  }

  /** Of each entry the version with the greatest stamp. */
  current(): ModelVersion[] {
    const winners = new Map<string, ModelVersion>();
    for (const version of this.#versions) {
      const best = winners.get(version.entry.entryId);
      if (best === undefined || compare(version, best) > 0) winners.set(version.entry.entryId, version);
    }
    return [...winners.values()];
  }

  /** Stamps of the current versions, and of those that lost to one that was not written on top of them. */
  live(): { current: string[]; conflicts: string[] } {
    const current = new Set(this.current().map(nameOf));
    const lost = this.#versions.filter(
      (version) =>
        !current.has(nameOf(version)) &&
        version.base !== null &&
        !this.#versions.some((other) => names(other, version)),
    );
    return { current: [...current].sort(), conflicts: [...new Set(lost.map(nameOf))].sort() };
  }
}

/**
 * Whether `other` names `version` as replaced: by its base or a plain hash, which are older than itself, or by a hash
 * with the time before which versions of that content are meant.
 */
function names(other: ModelVersion, version: ModelVersion): boolean {
  if (other.entry.entryId !== version.entry.entryId) return false;
  return [...(other.base === null ? [] : [other.base]), ...other.replaces].some((name) => {
    const [hash, before] = name.split('@');
    if (hash !== version.hash) return false;
    return before === undefined ? compare(other, version) > 0 : version.entry.updatedAt < Number(before);
  });
}

function compare(a: ModelVersion, b: ModelVersion): number {
  return compareStamps({ updatedAt: a.entry.updatedAt, hash: a.hash }, { updatedAt: b.entry.updatedAt, hash: b.hash });
}

function nameOf({ entry, hash }: ModelVersion): string {
  return `${entry.entryId} ${entry.updatedAt} ${hash}`;
}
