/** The gate of entries: what is let in, what is refused, and in which words. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalContent } from '../../lib/core/canonical.ts';
import { draftToContent, parseDraft, parseEdit, parseEntry } from '../../lib/core/entry.ts';
import { SmError } from '../../lib/core/errors.ts';
import { entryContent, plainContent, timestamp } from '../support/arbitraries.ts';

const KIB = 1024;
const filled = { entryId: 'id', workspaceId: 'w', projectId: 'p', agent: 'claude', nowMs: 5 };
const whole = { ...plainContent(1, 'title'), updatedAt: 1 };

/** Field at fault, bad value, what the message says of it. */
const BAD_FIELDS: [field: string, value: unknown, message: RegExp][] = [
  ['title', '', /must not be empty/],
  ['title', ' \n\t\u3000', /must not be empty/],
  ['title', 5, /must be text, but is 5/],
  ['title', null, /must be text/],
  ['title', 'x'.repeat(501), /at most 500 characters/],
  ['title', '🚀'.repeat(501), /at most 500 characters/],
  ['title', 'x'.repeat(10_000_000), /at most 500 characters/],
  ['title', 'a\0b', /NUL/],
  ['title', 'a\ud800b', /valid Unicode/],
  ['title', '\udc00', /valid Unicode/],
  ['summary', 'x'.repeat(64 * KIB + 1), /at most/],
  ['summary', '検'.repeat(22 * KIB), /at most 64 KiB.*ref/],
  ['conclusion', '🚀'.repeat(16 * KIB + 1), /at most 64 KiB/],
  ['conclusion', '\ude80🚀', /valid Unicode/],
  ['summary', ['a'], /must be text/],
  ['agent', '', /must not be empty/],
  ['agent', 'x'.repeat(129), /at most 128 characters/],
  ['kind', 'idea', /must be one of experiment, decision, insight, note, but is "idea"/],
  ['kind', null, /must be one of/],
  ['tags', 'a,b', /must be a list of texts/],
  ['tags', Array.from({ length: 65 }, (_, n) => `t${n}`), /at most 64 items/],
  ['tags.0', [''], /must not be empty/],
  ['tags.1', ['a', 'x'.repeat(513)], /at most 512 characters/],
  ['tags.0', [7], /must be text/],
  ['refs', Array.from({ length: 257 }, (_, n) => `r${n}`), /at most 256 items/],
  ['refs.2', ['a', 'b', 'c\0'], /NUL/],
  ['refs.0', ['\ud83d'], /valid Unicode/],
  ['confidence', 1.01, /from 0 to 1, but is 1.01/],
  ['confidence', -1e-9, /from 0 to 1/],
  ['confidence', Number.NaN, /from 0 to 1, but is NaN/],
  ['confidence', Number.POSITIVE_INFINITY, /from 0 to 1/],
  ['confidence', '0.8', /must be a number from 0 to 1, but is "0.8"/],
];

const BAD_IDS_AND_TIMES: typeof BAD_FIELDS = [
  ['entryId', 'x', /must be a UUID in lower case, but is "x"/],
  ['entryId', '01980C2E-0001-7ABC-8DEF-0123456789AB', /lower case/],
  ['entryId', '01980c2e-0001-7abc-8def-0123456789ab\n', /UUID/],
  ['createdAt', -1, /before 1970/],
  ['createdAt', 1.5, /whole number of milliseconds/],
  ['createdAt', 8.64e15 + 1, /too far in the future/],
  ['createdAt', '2026-01-01', /number of milliseconds/],
];

test.each([...BAD_FIELDS, ...BAD_IDS_AND_TIMES])(
  '[E1] a draft with a bad %s is refused by name',
  (field, value, message) => {
    expectRefusal(() => parseDraft({ title: 'ok', ...at(field, value) }), field, message);
  },
);

test.each(BAD_FIELDS)('[E1] an edit with a bad %s is refused by name', (field, value, message) => {
  expectRefusal(() => parseEdit(at(field, value)), field, message);
});

test.each([
  ...BAD_FIELDS,
  ...BAD_IDS_AND_TIMES,
  ['status', 'deleted', /must be one of active, superseded, retracted/],
  ['supersededBy', 'x', /UUID/],
  ['updatedAt', -1, /before 1970/],
  ['workspaceId', 'x'.repeat(129), /at most 128/],
  ['projectId', '\0', /NUL/],
] satisfies typeof BAD_FIELDS)('[E1] a whole entry with a bad %s is refused by name', (field, value, message) => {
  expectRefusal(() => parseEntry({ ...whole, ...at(field, value) }), field, message);
});

test.each(Object.keys(whole))('[E1] a whole entry without its %s is refused by name', (field) => {
  const { [field]: _, ...rest } = whole as Record<string, unknown>;
  expectRefusal(() => parseEntry(rest), field, /is missing/);
});

test.each([undefined, null, 'text', 5, [], [{ title: 'a' }]])('[E1] %j is no entry, no draft and no edit', (input) => {
  for (const parse of [parseEntry, parseDraft, parseEdit]) {
    expect(() => parse(input)).toThrow(expect.objectContaining({ code: 'bad_request' }) as Error);
  }
});

test('[E1] unknown fields of a draft or an edit are refused, as a misspelt one would be lost', () => {
  expectRefusal(() => parseDraft({ title: 'a', sumary: 'b' }), 'sumary', /is not a field of an entry/);
  expectRefusal(() => parseEdit({ conclussion: 'b' }), 'conclussion', /is not a field of an edit/);
  expectRefusal(() => parseEdit({ status: 'retracted' }), 'status', /is not a field/);
  expectRefusal(() => parseDraft(JSON.parse('{"title":"a","__proto__":{}}')), '__proto__', /is not a field/);
});

test('[E1] unknown fields of a whole entry are dropped, as a newer peer may send them', () => {
  expect(parseEntry({ ...whole, mood: 'good' })).toEqual(whole);
});

test('[E1] an edit that names no field is refused with an example', () => {
  const error = refusalOf(() => parseEdit({}));
  expect(error.message).toMatch(/changes nothing/);
  expect(error.hint).toMatch(/--conclusion/);
});

test('[E1] a message shows a short value and never a long one', () => {
  expect(refusalOf(() => parseDraft({ title: 'a', kind: 'idea' })).message).toBe(
    'kind: must be one of experiment, decision, insight, note, but is "idea".',
  );
  expect(refusalOf(() => parseDraft({ title: 'a', kind: 'x'.repeat(1e6) })).message.length).toBeLessThan(200);
});

test('[E2] no text with NUL or half of a surrogate pair passes, in any field', () => {
  const spoilt = fc.tuple(fc.string(), fc.constantFrom('\0', '\ud800', '\udfff', '\udc00\ud800'), fc.string());
  fc.assert(
    fc.property(
      spoilt,
      fc.constantFrom('title', 'summary', 'conclusion', 'agent', 'tags', 'refs'),
      ([a, bad, b], field) => {
        const text = `${a} ${bad} ${b}`;
        const value = field === 'tags' || field === 'refs' ? [text] : text;
        expect(refusalOf(() => parseDraft({ title: 'ok', [field]: value })).code).toBe('bad_request');
        expect(refusalOf(() => parseEdit({ [field]: value })).code).toBe('bad_request');
        expect(refusalOf(() => parseEntry({ ...whole, [field]: value })).code).toBe('bad_request');
      },
    ),
  );
});

test('[E2] whatever passes has the same UTF-8 bytes and text again', () => {
  fc.assert(
    fc.property(entryContent(), timestamp(), (content, updatedAt) => {
      const entry = parseEntry({ ...content, updatedAt });
      expect(entry).toEqual({ ...content, updatedAt });
      const text = canonicalContent(entry);
      expect(Buffer.from(text, 'utf8').toString('utf8')).toBe(text);
    }),
  );
});

test('[E3] the bounds themselves are let in', () => {
  const bounds = {
    title: '🚀'.repeat(500),
    summary: 'x'.repeat(64 * KIB),
    conclusion: '🚀'.repeat(16 * KIB),
    tags: Array.from({ length: 64 }, (_, n) => '検'.repeat(509) + String(n).padStart(3, '0')),
    refs: Array.from({ length: 256 }, (_, n) => 'x'.repeat(509) + String(n).padStart(3, '0')),
    agent: 'x'.repeat(128),
  };
  expect(parseDraft(bounds)).toEqual(bounds);
  expect(parseEdit(bounds)).toEqual(bounds);
  expect(parseEntry({ ...whole, ...bounds })).toEqual({ ...whole, ...bounds });
});

test('[E3] a text of any length is judged by its characters or bytes, not by its code units', () => {
  fc.assert(
    fc.property(fc.constantFrom('x', 'é', '検', '🚀'), fc.integer({ min: 480, max: 520 }), (unit, count) => {
      const parse = (): unknown => parseDraft({ title: unit.repeat(count) });
      if (count <= 500) expect(parse).not.toThrow();
      else expectRefusal(parse, 'title', /at most 500/);
    }),
  );
});

test('[E4] what a writer leaves out is filled in', () => {
  expect(draftToContent(parseDraft({ title: 'a' }), filled)).toEqual({
    entryId: 'id',
    workspaceId: 'w',
    projectId: 'p',
    agent: 'claude',
    kind: 'note',
    title: 'a',
    summary: '',
    conclusion: '',
    tags: [],
    refs: [],
    confidence: 0.7,
    status: 'active',
    createdAt: 5,
  });
});

test('[E4] what a writer gives is kept, also where it is zero or empty', () => {
  const given = {
    title: 'a',
    summary: '',
    tags: [],
    refs: [],
    confidence: 0,
    createdAt: 0,
    kind: 'decision',
    agent: 'me',
  };
  expect(draftToContent(parseDraft(given), filled)).toMatchObject(given);
});

test('[E4] text is trimmed and repeated labels are dropped, in the order of the writer', () => {
  const draft = parseDraft({ title: '  a ', summary: '\n b\n', tags: [' x', 'y', 'x ', 'X'], refs: ['b', 'a', 'b'] });
  expect(draft).toEqual({ title: 'a', summary: 'b', tags: ['x', 'y', 'X'], refs: ['b', 'a'] });
  expect(parseEdit({ conclusion: ' c ', tags: ['z', 'z '] })).toEqual({ conclusion: 'c', tags: ['z'] });
});

test('[E4] tidying what is tidy changes nothing', () => {
  fc.assert(
    fc.property(entryContent(), ({ title, summary, conclusion, tags, refs, agent }) => {
      const once = parseDraft({ title, summary, conclusion, tags, refs, agent });
      expect(parseDraft(once)).toEqual(once);
    }),
  );
});

/** `{ tags: ['a', <bad>] }` for the path `tags.1` is given as the whole list; the path is what the message must say. */
function at(field: string, value: unknown): Record<string, unknown> {
  return { [field.split('.')[0] ?? field]: value };
}

function expectRefusal(act: () => unknown, field: string, message: RegExp): void {
  const error = refusalOf(act);
  expect(error.code).toBe('bad_request');
  expect(error.message).toMatch(message);
  expect(error.message.startsWith(`${field}: `)).toBe(true);
  expect(error.details).toEqual({ field });
}

function refusalOf(act: () => unknown): SmError {
  try {
    act();
  } catch (error) {
    if (error instanceof SmError) return error;
    throw error;
  }
  throw new Error('it was let in');
}
