/** What other tools keep, as records: pure readings of texts as those tools write them. */
import { describe, expect, it } from 'vitest';
import { adrRecords } from '../../bin/importers/adr.ts';
import { commitRecords } from '../../bin/importers/commits.ts';
import { instructionRecords } from '../../bin/importers/instructions.ts';
import { beadsRecords, graphRecords } from '../../bin/importers/json-sources.ts';
import { idOf, sectionsOf } from '../../bin/importers/records.ts';

const T = 1_720_000_000_000;

describe('decision records', () => {
  const nygard = `# 2. Use PostgreSQL\n\nDate: 2024-03-01\n\n## Status\n\nSuperseded by [3. Use PGlite](0003-use-pglite.md)\n\n## Context\n\nWe need transactions.\n\n## Decision\n\nWe use PostgreSQL.\n\n## Consequences\n\nA server to run.\n`;
  const madr = `---\nstatus: "accepted"\ndate: 2024-05-06\n---\n# ADR-0003: Use PGlite\n\n## Context and Problem Statement\n\nNo server.\n\n## Decision Outcome\n\nChosen option: "PGlite".\n\n\`\`\`md\n## Decision\nnot this\n\`\`\`\n`;
  const files = [
    { path: '0002-use-postgresql.md', text: nygard, modifiedMs: T },
    { path: '0003-use-pglite.md', text: madr, modifiedMs: T },
    { path: 'README.md', text: '# Decisions\n\nAn index.\n', modifiedMs: T },
    { path: 'template.md', text: nygard, modifiedMs: T },
  ];

  it('[X28] gives decisions with status, dates and successors, and passes over what is none', () => {
    const [old, young, ...rest] = adrRecords(files, 'p', 'docs/adr');
    expect(rest).toEqual([]);
    expect(old).toMatchObject({
      title: 'Use PostgreSQL',
      kind: 'decision',
      conclusion: 'We use PostgreSQL.',
      summary: 'Context: We need transactions.\n\nConsequences: A server to run.',
      tags: ['adr', 'superseded'],
      refs: ['docs/adr/0002-use-postgresql.md'],
      status: 'superseded',
      supersededBy: young?.id,
      created_at: Date.parse('2024-03-01'),
      updated_at: T,
    });
    expect(young).toMatchObject({ title: 'Use PGlite', tags: ['adr', 'accepted'] });
    expect(young?.conclusion).toMatch(/^Chosen option: "PGlite"/);
    expect(young).not.toHaveProperty('status');
  });

  it('[X28] finds a successor by its number, too', () => {
    const text = nygard.replace('[3. Use PGlite](0003-use-pglite.md)', 'ADR 3');
    const [old, young] = adrRecords([{ ...(files[0] as (typeof files)[0]), text }, ...files.slice(1)], 'p', 'docs/adr');
    expect(old?.supersededBy).toBe(young?.id);
  });
});

it('[X28] instructions give a note for each section that says something, and our own block none', () => {
  const text =
    '# Rules\n\nshort\n\n## Tests\n\nRun them with vitest, never with jest.\n\n```\n# not a heading\n```\n\n## Tests\n\nThe second of that name is another.\n' +
    '<!-- stackmemory:begin -->\n## Memory\n\nRecall before you plan anything.\n<!-- stackmemory:end -->\n';
  const records = instructionRecords({ path: 'CLAUDE.md', text, modifiedMs: T }, 'p');
  expect(records.map(({ title }) => title)).toEqual(['Rules › Tests', 'Rules › Tests']);
  expect(new Set(records.map(({ id }) => id)).size).toBe(2);
  expect(records[0]?.summary).toContain('# not a heading');
});

it('[X28] the graph of the memory server gives entities with observations and relations', () => {
  const lines = [
    { type: 'entity', name: 'Ada', entityType: 'person', observations: ['likes tabs', 7, ''] },
    { type: 'entity', name: 'Engine', entityType: 'project', observations: [] },
    { type: 'relation', from: 'Ada', to: 'Engine', relationType: 'works on' },
    ['rubbish'],
  ];
  const records = graphRecords(`\uFEFF${lines.map((line) => JSON.stringify(line)).join('\n')}\n\n`, 'p', T);
  expect(records).toEqual([
    expect.objectContaining({
      title: 'Ada',
      summary: 'likes tabs\nAda works on Engine',
      tags: ['mcp-memory', 'person'],
    }),
    expect.objectContaining({ title: 'Engine', summary: '' }),
  ]);
  expect(() => graphRecords('{"a":1}\nrubbish', 'p', T)).toThrow('line 2 is not JSON');
});

it('[X28] beads give issues with what was found in them', () => {
  const issue = {
    id: 'bd-1',
    title: 'Flaky',
    description: 'It fails',
    notes: 'A race',
    status: 'closed',
    issue_type: 'bug',
    labels: ['ci'],
    created_at: '2025-01-01T00:00:00Z',
    updated_at: '2025-02-01T00:00:00Z',
  };
  expect(beadsRecords(JSON.stringify(issue), 'p', T)).toEqual([
    expect.objectContaining({
      id: idOf('p', 'beads', 'bd-1'),
      conclusion: 'A race',
      summary: 'It fails',
      tags: ['beads', 'bug', 'closed', 'ci'],
      refs: ['bd-1'],
      created_at: Date.parse('2025-01-01'),
      updated_at: Date.parse('2025-02-01'),
    }),
  ]);
});

it('[X28] commits that say why give insights, without their trailers', () => {
  const commit = (body: string) => ({ hash: 'a'.repeat(40), timeMs: T, subject: 'Lock the row', body });
  const why = 'Without the lock two workers took the same job, twice a day.';
  expect(
    commitRecords(
      [commit(''), commit('short'), commit('Co-authored-by: A very long name indeed <a@example.org>')],
      'p',
    ),
  ).toEqual([]);
  expect(commitRecords([commit(`${why}\n\nSigned-off-by: A <a@example.org>`)], 'p')).toEqual([
    expect.objectContaining({ title: 'Lock the row', conclusion: why, kind: 'insight', refs: ['a'.repeat(40)] }),
  ]);
});

it('[X28] the same thing has the same id in one project, and another in the next', () => {
  expect(idOf('p', 'adr', 'x')).toBe(idOf('p', 'adr', 'x'));
  expect(idOf('p', 'adr', 'x')).not.toBe(idOf('q', 'adr', 'x'));
  expect(idOf('p', 'adr', 'x')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

it('[X28] headings inside code are none', () => {
  expect(sectionsOf('# a\n~~~~\n# b\n```\n# c\n~~~~\n# d\n').map(({ title }) => title)).toEqual(['', 'a', 'd']);
});
