import { expect, test } from 'vitest';
import { hasFailed } from '../../lib/core/failed.ts';

const told = (conclusion: string, title = 'Trial') => hasFailed({ title, conclusion, summary: '', tags: [] });

test.each([
  'Did not help: slower than PostgreSQL for our load. Reverted.',
  'Worse: p99 rose from 180 ms to 420 ms.',
  'No gain: nginx terminates it anyway.',
  "It doesn't work with Node 20.",
  'Kept for a week, then reverted.',
  'Slower, and not kept.',
])('[R21] has failed: %s', (conclusion) => expect(told(conclusion)).toBe(true));

test.each([
  'Infix search 900 ms to 14 ms; writes 6 % slower. Kept.',
  'Shipped: hit rate 91 %, at the price of slower purges.',
  'Adopted. Alpine broke sharp, node:20-slim does not.',
  'Halved the load of the origin.',
])('[R21] was worth its price: %s', (conclusion) => expect(told(conclusion)).toBe(false));

test('[R21] a tag says so outright', () => {
  expect(hasFailed({ title: 'Trial', conclusion: 'Kept.', summary: '', tags: ['failed'] })).toBe(true);
});
