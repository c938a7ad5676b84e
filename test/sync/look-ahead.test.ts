/** What is read before it is asked for. */
import { expect, test } from 'vitest';
import { LookAhead } from '../../lib/sync/look-ahead.ts';

/** A read that ends when it is told to. */
function pending() {
  let end = (_value: string): void => undefined;
  const promise = new Promise<string>((resolve) => (end = resolve));
  return { read: () => promise, end: (value: string) => end(value) };
}

const never = (): Promise<string> => Promise.reject(new Error('it was begun before'));

test('[S24] several are begun, and each is given once, to whoever asks for it', async () => {
  const ahead = new LookAhead<string>();
  for (const key of ['a', 'b']) void ahead.begin(key, () => Promise.resolve(`${key} begun`));
  expect(await ahead.begin('a', never)).toBe('a begun');
  expect(await ahead.take('a', never)).toBe('a begun');
  expect(await ahead.take('b', never)).toBe('b begun');
  expect(await ahead.take('b', () => Promise.resolve('b again'))).toBe('b again');
});

test('[S24] what follows something else than what is asked for is forgotten', async () => {
  const ahead = new LookAhead<string>();
  void ahead.begin('b', () => Promise.resolve('b begun'));
  expect(await ahead.take('a', () => Promise.resolve('a read'))).toBe('a read');
  expect(await ahead.take('b', () => Promise.resolve('b read'))).toBe('b read');
});

test('[S24] nothing is under way when it has ended, also of what was forgotten', async () => {
  const ahead = new LookAhead<string>();
  const slow = pending();
  void ahead.begin('b', slow.read);
  ahead.begin('c', () => Promise.reject(new Error('nobody asks'))).catch(() => undefined);
  await ahead.take('a', () => Promise.resolve('a'));
  let hasEnded = false;
  const ending = ahead.end().then(() => (hasEnded = true));
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(hasEnded).toBe(false);
  slow.end('late');
  await ending;
  expect(hasEnded).toBe(true);
});
