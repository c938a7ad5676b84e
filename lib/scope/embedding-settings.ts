/** The address for embeddings that the configuration names, with its defaults. */
import { SmError } from '../core/errors.ts';
import type { Config } from './config.ts';

/** How long a recall waits for its question's vector, in milliseconds, where the configuration does not say. */
export const EMBEDDING_TIMEOUT_MS_DEFAULT = 500;

export interface EmbeddingAddress {
  /** Up to `/v1`, without a trailing slash. */
  url: string;
  model: string;
  apiKey?: string;
  dimensions?: number;
  queryPrefix: string;
  entryPrefix: string;
  timeoutMs: number;
}

/** Undefined where no address with a model is named. @throws SmError `config_invalid` */
export function embeddingSettingsOf({ embeddings }: Config): EmbeddingAddress | undefined {
  const { url, model, apiKey, dimensions, queryPrefix = '', entryPrefix = '' } = embeddings ?? {};
  if (url === undefined || model === undefined || model === '') return undefined;
  const { username, password } = URL.canParse(url) ? new URL(url) : { username: 'none', password: '' };
  if (username !== '' || password !== '') {
    throw new SmError({
      code: 'config_invalid',
      message: 'config.json: "embeddings.url" is not an address, or has a user or password in it.',
      hint: 'Correct it, or run "sm embeddings on" anew; a key goes into "embeddings.apiKey".',
    });
  }
  return {
    url: url.replace(/\/+$/, ''),
    model,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(dimensions === undefined ? {} : { dimensions }),
    queryPrefix,
    entryPrefix,
    timeoutMs: embeddings?.timeoutMs ?? EMBEDDING_TIMEOUT_MS_DEFAULT,
  };
}
