/** The address for embeddings that a configuration names. */
import { expect, it } from 'vitest';
import { embeddingSettingsOf } from '../../lib/scope/embedding-settings.ts';

const DEFAULTS = { queryPrefix: '', entryPrefix: '', timeoutMs: 500 };

it('[R34] is what is written, with defaults, and none where address or model is missing', () => {
  expect(embeddingSettingsOf({})).toBeUndefined();
  expect(embeddingSettingsOf({ embeddings: { url: 'http://e/v1' } })).toBeUndefined();
  expect(embeddingSettingsOf({ embeddings: { model: 'm' } })).toBeUndefined();
  expect(embeddingSettingsOf({ embeddings: { url: 'http://e/v1//', model: 'm' } })).toEqual({
    ...{ ...DEFAULTS, url: 'http://e/v1', model: 'm' },
  });
  const all = {
    url: 'https://e/v1',
    model: 'm',
    apiKey: 'k',
    dimensions: 9,
    queryPrefix: 'q',
    entryPrefix: 'e',
    timeoutMs: 1,
  };
  expect(embeddingSettingsOf({ embeddings: all })).toEqual(all);
});

it.each(['http://user:secret@e/v1', 'http://user@e/v1', 'http://[nowhere/v1'])(
  '[R33] %s is refused, unrepeated',
  (url) => {
    const read = () => embeddingSettingsOf({ embeddings: { url, model: 'm' } });
    expect(read).toThrow('is not an address, or has a user');
    expect(read).not.toThrow('secret');
  },
);
