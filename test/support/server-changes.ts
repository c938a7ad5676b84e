/** Changes as tests push them: to a store, or over the wire. */
import type { Entry } from '../../lib/core/entry.ts';
import { hashContent, toHashedContent } from '../../lib/protocol/hash.ts';
import { uuidOf } from '../../lib/protocol/identity.ts';
import type { Change, FlatChange } from '../../lib/protocol/wire.ts';
import type { NewServerChange } from '../../lib/server/store.ts';
import { plainContent } from './arbitraries.ts';

export interface ChangeSketch {
  /** Which entry. */
  number: number;
  title: string;
  updatedAt: number;
  workspaceId: string;
  projectId?: string;
  base?: string | null;
  replaces?: string[];
  replicaId?: string;
  seq?: number;
  status?: Entry['status'];
  /** Tells changes apart that are alike otherwise. */
  salt?: string;
}

export function entryOf(sketch: ChangeSketch): Entry {
  const { number, title, updatedAt, workspaceId, projectId = 'p', status = 'active' } = sketch;
  return { ...plainContent(number, title), workspaceId, projectId, status, updatedAt };
}

/** Content hash of what the sketch describes. */
export function hashOf(sketch: ChangeSketch): string {
  const { updatedAt: _, ...content } = entryOf(sketch);
  return hashContent(content);
}

/** As it travels in protocol 2. */
export function flatChange(sketch: ChangeSketch): FlatChange {
  const { base = null, replaces, replicaId = 'replica', seq, salt = '' } = sketch;
  const changeId = uuidOf(`${replicaId} ${sketch.number} ${sketch.updatedAt} ${hashOf(sketch)} ${salt}`);
  return {
    ...entryOf(sketch),
    changeId,
    base,
    replicaId,
    ...(replaces === undefined ? {} : { replaces }),
    ...(seq === undefined ? {} : { seq }),
  };
}

/** As it is within this program. */
export function nestChange({ changeId, base, replicaId, replaces, seq, ...entry }: FlatChange): Change {
  return {
    changeId,
    base,
    replicaId,
    ...(replaces === undefined ? {} : { replaces }),
    ...(seq === undefined ? {} : { seq }),
    entry,
  };
}

/** As a store takes it. */
export function storeChange(sketch: ChangeSketch): NewServerChange {
  const { changeId, base, replicaId, replaces = [] } = flatChange(sketch);
  const entry = entryOf(sketch);
  return { changeId, base, replicaId, replaces, ...toHashedContent(entry), entry };
}
