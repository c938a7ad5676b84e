/** `sm embeddings`, with an address in memory. */
import { expect, it } from 'vitest';
import { SmError } from '../../lib/core/errors.ts';
import { FakeBrain, sm } from './fakes.ts';

const ADDRESS = { url: 'http://127.0.0.1:11434/v1', model: 'm', queryPrefix: '', entryPrefix: '', timeoutMs: 500 };

it('[R34] on tries the address, keeps it, and never shows the key', async () => {
  const words = ['embeddings', 'on', '--model', 'nomic', '--query-prefix', 'search_query: ', '--dimensions', '256'];
  const here = await sm(words);
  expect(here).toMatchObject({ code: 0, out: 'on: nomic at http://127.0.0.1:11434/v1, 768 dimensions\n', err: '' });
  expect(here.embeddingsWritten).toEqual([
    { ...ADDRESS, model: 'nomic', queryPrefix: 'search_query: ', dimensions: 256 },
  ]);
  const there = await sm(
    ['embeddings', 'on', '--model', 'm', '--url', 'http://e.example/v1/', '--key', '-', '--json'],
    {
      stdin: 'sk-c0ffee\n',
    },
  );
  expect(there.json()).toMatchObject({ url: 'http://e.example/v1', model: 'm', dimensions: 768 });
  expect(there.embeddingsWritten).toEqual([{ ...ADDRESS, url: 'http://e.example/v1', apiKey: 'sk-c0ffee' }]);
  expect(there.out + there.err).not.toContain('c0ffee');
  expect(there.err).toContain('sent to e.example');
  expect(there.err).toContain('and the key, go there unencrypted');
});

it('[R34] an address that gives no vectors is not kept', async () => {
  const embeddingFailure = new SmError({ code: 'unavailable', message: 'refused sk-c0ffee', hint: 'h' });
  const words = ['embeddings', 'on', '--model', 'm', '--key', 'sk-c0ffee'];
  const { code, err, out, embeddingsWritten } = await sm(words, { embeddingFailure });
  expect([code, out, embeddingsWritten]).toEqual([5, '', []]);
  expect(err).not.toContain('c0ffee');
});

it.each([
  [[], '--model is missing'],
  [['--model', 'm', '--url', 'localhost:11434'], 'is not an address'],
  [['--model', 'm', '--url', 'https://user:pass@e.example/v1'], 'is not an address'],
  [['--model', 'm', '--url', 'http://e.example:6000/v1'], '--url names port 6000, to which no client connects'],
  [['--model', 'm', '--dimensions', '0'], '--dimensions must be a whole number'],
  [['--model', 'm', '--timeout', 'soon'], '--timeout must be a whole number'],
  [['--model', 'm', '--key', 'two words'], 'is no key'],
])('[R34] on %j is refused', async (words, message) => {
  const { code, err, embeddingsWritten } = await sm(['embeddings', 'on', ...words]);
  expect([code, embeddingsWritten]).toEqual([2, []]);
  expect(err).toContain(message);
});

it('[R34] off forgets the address, also where there is none', async () => {
  const was = await sm(['embeddings', 'off'], { embeddings: ADDRESS });
  expect([was.out, was.embeddingsWritten]).toEqual(['off: m at http://127.0.0.1:11434/v1\n', [undefined]]);
  expect((await sm(['embeddings', 'off'])).out).toBe('off already\n');
  expect((await sm(['embeddings', 'off', '--json'])).json()).toEqual({ wasOn: false });
});

it('[R34] status tells how far it is, and why it fails', async () => {
  expect((await sm(['embeddings', 'status'])).out).toContain('off; ');
  const brain = new FakeBrain();
  brain.vectors = { model: 'm', generation: 'g', dimensions: 768, probe: 'AA==', vectors: 41, left: 1 };
  const embeddings = { model: 'm', url: ADDRESS.url, state: 'failing' as const, failure: 'it answered 500' };
  const figures = { pid: 1, version: '1', startedAt: 0, socket: 's', rssBytes: 1, clients: 0, requests: 0, idleMs: 1 };
  const hostStatus = { running: true as const, ...figures, storeRestarts: 0, embeddings };
  const { out } = await sm(['embeddings', 'status'], { embeddings: ADDRESS, brain, hostStatus });
  expect(out).toContain('fails; recall goes by words alone');
  expect(out).toContain('it answered 500');
  expect(out).toContain('41, each of 768 dimensions');
  const brainStatus = await sm(['brain', 'status'], { embeddings: ADDRESS, brain, hostStatus });
  expect(brainStatus.out).toContain(`m at ${ADDRESS.url}: fails; recall goes by words alone`);
  expect(brainStatus.out).toContain('The embeddings fail: it answered 500');
  expect((await sm(['brain', 'status', '--json'], { embeddings: ADDRESS, brain, hostStatus })).json()).toMatchObject({
    embeddings: { url: ADDRESS.url, model: 'm', state: 'failing', failure: 'it answered 500' },
  });
  const without = await sm(['brain', 'status', '--json'], { brain });
  expect(without.json()).toMatchObject({ embeddings: null });
  const { json } = await sm(['embeddings', 'status', '--json'], { embeddings: ADDRESS, brain });
  expect(json()).toEqual({
    ...{ on: true, url: ADDRESS.url, model: 'm', state: null, failure: null },
    ...{ vectors: 41, vectorsOf: 'm', dimensions: 768, changesLeft: 1 },
  });
});

it('[R34] doctor asks the address, and its failure is a warning that shows no key', async () => {
  expect((await sm(['doctor'])).out).not.toContain('embeddings');
  expect((await sm(['doctor'], { embeddings: ADDRESS })).out).toContain(
    'ok: embeddings: m at http://127.0.0.1:11434/v1, 768',
  );
  const embeddingFailure = new SmError({ code: 'unavailable', message: 'It knows no key-12345.' });
  const failed = await sm(['doctor', '--json'], { embeddings: { ...ADDRESS, apiKey: 'key-12345' }, embeddingFailure });
  expect(failed.code).toBe(0);
  expect(failed.json()).toMatchObject({ ok: true, findings: [{ check: 'embeddings', status: 'warning' }] });
  expect(failed.out).not.toContain('key-12345');
});
