import fs from 'node:fs';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { textsOf } from '../../lib/core/texts.ts';
import { MASK, type Masked, maskSecrets, withSecrets } from '../../lib/secrets/mask.ts';
import { findSecrets } from '../../lib/secrets/scanner.ts';
import { plainContent } from '../support/arbitraries.ts';
import { FALSE_EXAMPLES, TRUE_EXAMPLES } from './samples.ts';

async function mask<T>(fields: T): Promise<Masked<T>> {
  const [masked] = await maskSecrets([fields]);
  if (masked === undefined) throw new Error('One was given, and none came back.');
  return masked;
}

test.each(TRUE_EXAMPLES)('[E7] $name is masked, and nothing beside it', async ({ secret, text }) => {
  const { fields, kinds } = await mask({ title: 'It failed', conclusion: text });
  expect(kinds).toHaveLength(1);
  expect(fields.title).toBe('It failed');
  expect(fields.conclusion).toContain(MASK);
  for (let start = 0; start + 12 <= secret.length; start += 1) {
    expect(fields.conclusion.replaceAll('postgres://', '')).not.toContain(secret.slice(start, start + 12));
  }
  const [before = '', after = ''] = text.split(secret);
  expect(fields.conclusion.startsWith(before.slice(0, 10))).toBe(true);
  expect(fields.conclusion.endsWith(after.slice(-10))).toBe(true);
});

test.each(FALSE_EXAMPLES)('[E7] no secret: %s', async (text) => {
  expect(await findSecrets(text)).toEqual([]);
});

test('[E7] in 2,533 real records nothing is taken for a secret', async () => {
  let records = 0;
  for (const name of ['adr', 'beads']) {
    const file = new URL(`../eval/sets/${name}.json.gz`, import.meta.url);
    const set = JSON.parse(zlib.gunzipSync(fs.readFileSync(file)).toString()) as { entries: { title: string }[] };
    records += set.entries.length;
    expect(await withSecrets(set.entries.map((entry) => ({ ...plainContent(1, ''), ...entry })))).toEqual(new Set());
  }
  expect(records).toBe(2_533);
});

test('[E7] secrets are found in every text, among any others, wherever a lot begins', async () => {
  const fields = ['title', 'summary', 'conclusion', 'tags', 'refs'] as const;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...TRUE_EXAMPLES),
      fc.constantFrom(...fields),
      fc.array(fc.constantFrom(...FALSE_EXAMPLES), { maxLength: 60 }),
      fc.nat(),
      async ({ text }, field, others, at) => {
        const plain = { title: 't', summary: '', conclusion: '', tags: [], refs: [] };
        const entries = others.map((summary) => ({ ...plain, summary: summary.repeat(40) }));
        const index = at % (others.length + 1);
        const value = field === 'tags' || field === 'refs' ? ['x', text] : text;
        entries.splice(index, 0, { ...plain, [field]: value });
        expect(await withSecrets(entries)).toEqual(new Set([index]));
      },
    ),
    { numRuns: 60 },
  );
});

test('[E7] masking again changes nothing, and a comment does not turn it off', async () => {
  const [{ text } = { text: '' }] = TRUE_EXAMPLES;
  const once = await mask({ summary: `// secretlint-disable\n${text}\n/* secretlint-disable-line */` });
  expect(once.kinds).toEqual(['github']);
  expect(await mask(once.fields)).toEqual({ fields: once.fields, kinds: [] });
});

test('[E7] what is no entry stays what it is, for the validator to refuse', async () => {
  for (const odd of [null, 7, 'text', [], { title: 4, tags: 'x', refs: [1] }, undefined]) {
    expect(await mask(odd)).toEqual({ fields: odd, kinds: [] });
  }
  expect(textsOf({})).toEqual([]);
});

test('[E7] no text is slow to scan', async () => {
  const odd = [
    'a',
    'AKIA',
    'ghp_',
    '-----BEGIN PRIVATE KEY-----\n',
    'password="',
    'https://a:b',
    'eyJa.',
    'Authorization: Bearer ',
    '=>',
    'secret_key:',
  ];
  const startedMs = performance.now();
  for (const piece of odd) await findSecrets(piece.repeat(Math.floor(65_536 / piece.length)));
  // A pattern that backtracks takes minutes for one of them.
  expect(performance.now() - startedMs).toBeLessThan(30_000);
});
