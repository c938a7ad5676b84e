/** What `--as-of` takes: a time, or a commit of the repository. */
import { expect, test } from 'vitest';
import type { Context } from '../../bin/command.ts';
import { asOfTime } from '../../bin/values.ts';

const context = {
  now: () => Date.UTC(2026, 0, 31),
  commitTime: (revision: string) => Promise.resolve(revision === 'v1.2.0' ? Date.UTC(2026, 0, 2) : undefined),
} as unknown as Context;

test('[R12] a commit is as of the end of its second, since git knows no more of its time', async () => {
  expect(await asOfTime(context, 'v1.2.0')).toBe(Date.UTC(2026, 0, 2) + 999);
  expect(await asOfTime(context, '2026-01-02T00:00:00Z')).toBe(Date.UTC(2026, 0, 2));
  await expect(asOfTime(context, 'v9.9.9')).rejects.toMatchObject({ code: 'bad_request' });
});
