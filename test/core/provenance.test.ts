import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LABEL_CHARACTERS_MAX, REFS_MAX } from '../../lib/core/limits.ts';
import {
  describeProvenance,
  type Provenance,
  provenanceOf,
  provenanceRefs,
  subjectRefs,
  withProvenance,
} from '../../lib/core/provenance.ts';

const COMMIT = 'c0ffee0'.repeat(6).slice(0, 40);
const FULL: Provenance = {
  repo: 'github.com/acme/app',
  branch: 'feature/x:y',
  commit: COMMIT,
  isDirty: true,
  host: 'laptop',
  session: '0199-abc',
};

test('[E6] where an entry was recorded is told by refs, and read from them again', () => {
  expect(provenanceRefs(FULL)).toEqual([
    'prov:repo:github.com/acme/app',
    'prov:branch:feature/x:y',
    `prov:commit:${COMMIT}`,
    'prov:host:laptop',
    'prov:session:0199-abc',
    'prov:dirty',
  ]);
  expect(provenanceOf(provenanceRefs(FULL))).toEqual(FULL);
  expect(describeProvenance(provenanceRefs(FULL))).toBe(
    'feature/x:y at c0ffee0c0ffe with uncommitted changes, github.com/acme/app, on laptop, session 0199-abc',
  );
  expect(describeProvenance(['docs/x.md'])).toBe('');
});

test('[E6] whatever a machine, a branch or a session is called, the refs are valid and nothing else is lost', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ minLength: 500, maxLength: 600 }));
  const fact = fc.option(text, { nil: undefined });
  fc.assert(
    fc.property(fact, fact, fc.array(fc.string({ minLength: 1 }), { maxLength: REFS_MAX }), (host, session, own) => {
      const subject = own.filter((ref) => !ref.startsWith('prov:'));
      const given = { ...(host === undefined ? {} : { host }), ...(session === undefined ? {} : { session }) };
      const refs = withProvenance(subject, provenanceRefs(given));
      expect(refs.length).toBeLessThanOrEqual(REFS_MAX);
      expect(subjectRefs(refs)).toEqual(subject);
      for (const ref of refs.slice(subject.length)) {
        expect([...ref].length).toBeLessThanOrEqual(LABEL_CHARACTERS_MAX);
        expect(ref.isWellFormed()).toBe(true);
        expect(ref).not.toMatch(/\p{Cc}/u);
      }
    }),
  );
});

test('[E6] refs that tell it already are left as they are', () => {
  const known = ['a.ts', 'prov:host:desktop'];
  expect(withProvenance(known, provenanceRefs(FULL))).toEqual(known);
});
