/**
 * Where an entry was recorded, kept among its refs, so that every peer of any protocol carries it along. Owns the form
 * `prov:<name>:<value>` and which names there are. A provenance ref tells where somebody sat, not what the entry is about:
 * recall does not read it as words. Pure.
 */
import { LABEL_CHARACTERS_MAX, REFS_MAX } from './limits.ts';

/** The names are those of the refs, in the order in which they are written and shown. */
export interface Provenance {
  /** `host/path`, as docs/SCOPES.md names a repository. */
  repo?: string;
  branch?: string;
  /** The commit that was checked out: 40 or 64 hex digits. */
  commit?: string;
  /** Tracked files differed from that commit. */
  isDirty?: boolean;
  /** The machine's own name. */
  host?: string;
  /** The agent's session, as the agent calls it. */
  session?: string;
}

const PREFIX = 'prov:';
const DIRTY = `${PREFIX}dirty`;
const NAMES = ['repo', 'branch', 'commit', 'host', 'session'] as const satisfies (keyof Provenance)[];
const COMMIT_DIGITS_SHOWN = 12;
const UNFIT = /\p{Cc}|\p{Surrogate}/u;

export function isProvenanceRef(ref: string): boolean {
  return ref.startsWith(PREFIX);
}

/** What the writer named as refs, without where it was recorded. */
export function subjectRefs(refs: readonly string[]): string[] {
  return refs.filter((ref) => !isProvenanceRef(ref));
}

/** A fact that does not fit into a ref is left out. */
export function provenanceRefs(provenance: Provenance): string[] {
  const refs = NAMES.flatMap((name) => {
    const value = provenance[name]?.trim() ?? '';
    const ref = `${PREFIX}${name}:${value}`;
    return value === '' || UNFIT.test(ref) || [...ref].length > LABEL_CHARACTERS_MAX ? [] : [ref];
  });
  return provenance.isDirty === true ? [...refs, DIRTY] : refs;
}

export function provenanceOf(refs: readonly string[]): Provenance {
  const provenance: Provenance = {};
  for (const name of NAMES) {
    const start = `${PREFIX}${name}:`;
    const ref = refs.find((each) => each.startsWith(start));
    if (ref !== undefined) provenance[name] = ref.slice(start.length);
  }
  if (refs.includes(DIRTY)) provenance.isDirty = true;
  return provenance;
}

/** For people: `main at 1a2b3c4d5e6f with uncommitted changes, github.com/acme/app, on laptop, session 0199`; `''` of nothing. */
export function describeProvenance(refs: readonly string[]): string {
  const { repo, branch, commit, isDirty, host, session } = provenanceOf(refs);
  const at = commit === undefined ? undefined : `at ${commit.slice(0, COMMIT_DIGITS_SHOWN)}`;
  const state = [branch, at, isDirty === true ? 'with uncommitted changes' : undefined].filter(Boolean).join(' ');
  return [state, repo, host && `on ${host}`, session && `session ${session}`].filter(Boolean).join(', ');
}

/**
 * `refs` with where the entry was recorded behind them. Refs that tell it already stay as they are, and where all places
 * are taken the writer's own go first.
 */
export function withProvenance(refs: readonly string[], provenance: readonly string[]): string[] {
  if (refs.some(isProvenanceRef)) return [...refs];
  return [...refs, ...provenance.slice(0, Math.max(0, REFS_MAX - refs.length))];
}
