/** `sm upgrade`, with an npm in memory. */
import { expect, it } from 'vitest';
import { sm } from './fakes.ts';

it('[B11] says that this is the newest version, and installs nothing', async () => {
  const { code, out, installed } = await sm(['upgrade']);
  expect([code, out, installed]).toEqual([0, '1.2.3 is the newest version\n', []]);
});

it('[B11] --check tells of a newer version, and installs nothing', async () => {
  const { code, out, installed } = await sm(['upgrade', '--check'], { newest: '1.10.0' });
  expect([code, out, installed]).toEqual([0, '1.2.3 is installed; 1.10.0 is the newest: sm upgrade\n', []]);
  const { json } = await sm(['upgrade', '--check', '--json'], { newest: '1.10.0' });
  expect(json()).toEqual({ installed: '1.2.3', before: '1.2.3', newest: '1.10.0', isNewest: false });
});

it('[B11] installs the newer version where npm had put this one', async () => {
  const { out, installed } = await sm(['upgrade'], { newest: '1.10.0' });
  expect(installed).toEqual(['/opt 1.10.0']);
  expect(out).toBe('1.10.0 is installed now, in place of 1.2.3\n');
});

it('[B11] --to installs an older version, too', async () => {
  const { installed } = await sm(['upgrade', '--to', '1.0.0']);
  expect(installed).toEqual(['/opt 1.0.0']);
});

it('[B11] a checkout and a dependency are refused, with what to do', async () => {
  for (const [kind, advice] of [
    ['checkout', 'npm start'],
    ['other', 'npm install stackmemory@latest'],
  ] as const) {
    const outcome = await sm(['upgrade'], { newest: '2.0.0', installation: { kind, directory: '/x' } });
    expect(outcome.code).toBe(4);
    expect(outcome.err).toContain(advice);
    expect(outcome.installed).toEqual([]);
  }
});

it('[B11] a version that is none is refused', async () => {
  for (const words of [
    ['--to', 'latest; reboot'],
    ['--to', '1.0'],
    ['--to', '1.0.0', '--check'],
  ]) {
    expect((await sm(['upgrade', ...words])).code).toBe(2);
  }
});
