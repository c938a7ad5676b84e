/** Entries as a model gets them: named fields, ISO times, long texts cut where there is another way to read them. Pure. */
import * as z from 'zod';
import type { RecallHit, SimilarEntry } from '../brain/recall-contract.ts';
import type { Entry } from '../core/entry.ts';
import { withoutPrivate } from '../core/private.ts';
import { provenanceOf, subjectRefs } from '../core/provenance.ts';

/** Of a summary or conclusion in a list, in characters. `brain_show` has all of it. */
const EXCERPT_CHARACTERS_MAX = 2_000;

export const entryShape = z.object({
  id: z.string(),
  title: z.string(),
  kind: z.string(),
  status: z.string(),
  agent: z.string(),
  project: z.string(),
  summary: z.string(),
  conclusion: z.string(),
  tags: z.array(z.string()),
  refs: z.array(z.string()),
  recorded_at: z
    .object({
      repo: z.string().optional(),
      branch: z.string().optional(),
      commit: z.string().optional(),
      uncommitted_changes: z.boolean().optional(),
      host: z.string().optional(),
      session: z.string().optional(),
    })
    .optional()
    .describe('Where it was recorded'),
  confidence: z.number(),
  superseded_by: z.string().optional(),
  created_at: z.string(),
  updated_at: z.string(),
});

export const hitShape = entryShape.extend({
  score: z.number().describe('Relevance from 0 to 1; 0 without a query'),
  matched: z.array(z.string()).describe('Words of the query that it has'),
  instead_of: z.string().optional().describe('The superseded entry that was found; this one replaced it'),
  is_cut: z.boolean().optional().describe('Texts were cut; brain_show has all of them'),
});

export const missShape = z.object({ id: z.string(), title: z.string(), kind: z.string() });
export const similarShape = z.object({ id: z.string(), title: z.string(), overlap: z.number() });

export type ShownEntry = z.infer<typeof entryShape>;
export type ShownHit = z.infer<typeof hitShape>;

export function showEntry(entry: Entry): ShownEntry {
  const { entryId, title, kind, status, agent, projectId, summary, conclusion, tags, refs, confidence } =
    withoutPrivate(entry);
  return {
    id: entryId,
    title,
    kind,
    status,
    agent,
    project: projectId,
    summary,
    conclusion,
    tags,
    refs: subjectRefs(refs),
    ...recordedAt(refs),
    confidence,
    ...(entry.supersededBy === undefined ? {} : { superseded_by: entry.supersededBy }),
    created_at: new Date(entry.createdAt).toISOString(),
    updated_at: new Date(entry.updatedAt).toISOString(),
  };
}

function recordedAt(refs: readonly string[]): Pick<ShownEntry, 'recorded_at'> {
  const { isDirty, ...where } = provenanceOf(refs);
  const shown = { ...where, ...(isDirty === true ? { uncommitted_changes: true } : {}) };
  return Object.keys(shown).length === 0 ? {} : { recorded_at: shown };
}

export function showMiss(hit: RecallHit): z.infer<typeof missShape> {
  const { id, title, kind } = showEntry(hit);
  return { id, title, kind };
}

export function showHit(hit: RecallHit): ShownHit {
  const shown = showEntry(hit);
  const summary = excerpt(shown.summary);
  const conclusion = excerpt(shown.conclusion);
  const isCut = summary !== shown.summary || conclusion !== shown.conclusion;
  return {
    ...shown,
    summary,
    conclusion,
    score: Math.round(1_000 * hit.score) / 1_000,
    matched: hit.matched,
    ...(hit.insteadOf === undefined ? {} : { instead_of: hit.insteadOf }),
    ...(isCut ? { is_cut: true } : {}),
  };
}

export function showSimilar({ entryId, title, overlap }: SimilarEntry): z.infer<typeof similarShape> {
  return { id: entryId, title, overlap: Math.round(100 * overlap) / 100 };
}

function excerpt(text: string): string {
  return text.length <= EXCERPT_CHARACTERS_MAX ? text : `${text.slice(0, EXCERPT_CHARACTERS_MAX - 1).toWellFormed()}…`;
}
