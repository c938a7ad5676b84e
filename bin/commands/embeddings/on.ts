/** `sm embeddings on`: tries an address that makes vectors, and keeps it in the configuration. The host does the rest. */
import { SmError } from '../../../lib/core/errors.ts';
import { refuseBlockedPort } from '../../../lib/core/ports.ts';
import { EMBEDDING_TIMEOUT_MS_DEFAULT } from '../../../lib/scope/embedding-settings.ts';
import { quoteShort, usageError } from '../../arguments.ts';
import type { CommandModule, Context, EmbeddingAddress, Options } from '../../command.ts';
import { readStdin } from '../../input.ts';
import { escapeLine } from '../../print/escape.ts';
import { writeJson } from '../../print/json.ts';
import { failureWithoutSecrets } from '../../secrets.ts';

/** A model that is not loaded yet takes its time. */
const ATTEMPT_MS = 60_000;
const KEY_BYTES_MAX = 8 * 1024;
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

export const command: CommandModule = {
  options: [
    { flags: '--url <address>', summary: 'The address up to /v1 (default: Ollama here, http://127.0.0.1:11434/v1)' },
    { flags: '--model <name>', summary: 'The model, as the address calls it' },
    {
      flags: '--key <key>',
      summary: 'The key of the address, if it needs one; "-" reads it from stdin',
      isSecret: true,
    },
    { flags: '--dimensions <count>', summary: 'Ask for fewer dimensions than the model has' },
    { flags: '--query-prefix <text>', summary: 'Put before every question, where the model wants it' },
    { flags: '--entry-prefix <text>', summary: 'Put before every entry' },
    {
      flags: '--timeout <milliseconds>',
      summary: `How long a recall may wait for it (default ${EMBEDDING_TIMEOUT_MS_DEFAULT})`,
    },
  ],
  notes:
    'Recall then also finds what means the same in other words. Vectors are made in the background, kept in the brain and\n' +
    'never synced. Whatever becomes of the address, recall answers as it does without it. Entries with <private> text or\n' +
    'with secrets are not sent.',
  examples: [
    'sm embeddings on --model nomic-embed-text --query-prefix "search_query: " --entry-prefix "search_document: "',
    'sm embeddings on --url https://api.openai.com/v1 --model text-embedding-3-small --key - < key.txt',
  ],
  async run(context, _args, options) {
    const address = await addressOf(context, options);
    try {
      const startedMs = context.now();
      const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ATTEMPT_MS)]);
      await context.embeddings.attempt(address, signal);
      // The first one may have had to load the model.
      const againMs = context.now();
      const { dimensions } = await context.embeddings.attempt(address, signal);
      const tookMs = context.now() - againMs;
      await context.embeddings.write(address);
      if (options.isSet('json')) {
        const { apiKey: _key, ...shown } = address;
        await writeJson(context, { ...shown, dimensions, firstMs: againMs - startedMs, questionMs: tookMs });
      } else {
        await context.stdout.write(`on: ${address.model} at ${address.url}, ${dimensions} dimensions\n`);
      }
      for (const remark of remarksOf(address, tookMs)) await context.stderr.write(`${escapeLine(remark)}\n`);
      return 0;
    } catch (error) {
      throw failureWithoutSecrets(error, [address.apiKey]);
    }
  },
};

async function addressOf(context: Context, options: Options): Promise<EmbeddingAddress> {
  const model = options.text('model') ?? '';
  if (model.trim() === '') throw usageError('--model is missing.', 'Name the model, as the address calls it.');
  const url = (options.text('url') ?? 'http://127.0.0.1:11434/v1').replace(/\/+$/, '');
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol) || new URL(url).username !== '') {
    throw usageError(`${quoteShort(url)} is not an address.`, 'It begins with https:// or http://, and ends in /v1.');
  }
  const hint = 'Let what makes the vectors listen on another port.';
  refuseBlockedPort(new URL(url).port, { source: '--url', hint });
  const apiKey = await keyOf(context, options);
  const dimensions = numberOf(options, 'dimensions');
  return {
    url,
    model,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(dimensions === undefined ? {} : { dimensions }),
    queryPrefix: options.text('query-prefix') ?? '',
    entryPrefix: options.text('entry-prefix') ?? '',
    timeoutMs: numberOf(options, 'timeout') ?? EMBEDDING_TIMEOUT_MS_DEFAULT,
  };
}

async function keyOf(context: Context, options: Options): Promise<string | undefined> {
  const given = options.text('key');
  const key = given === '-' ? String(await readStdin(context, 'the key', KEY_BYTES_MAX)).trim() : given;
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
    throw new SmError({ code: 'bad_request', message: 'That is no key.', hint: 'A key is one word of plain letters.' });
  }
  return key;
}

function numberOf(options: Options, name: string): number | undefined {
  const text = options.text(name);
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw usageError(`--${name} must be a whole number, but is ${quoteShort(text)}.`, 'From 1.');
  return Number(text);
}

function remarksOf({ url, apiKey, timeoutMs }: EmbeddingAddress, tookMs: number): string[] {
  const { hostname, protocol } = new URL(url);
  const isHere = LOOPBACK.test(hostname);
  return [
    ...(isHere ? [] : [`Texts of entries and questions are sent to ${hostname}; what is private or secret is not.`]),
    ...(!isHere && protocol === 'http:'
      ? [
          `They${apiKey === undefined ? '' : ', and the key,'} go there unencrypted: an address with https:// is better.`,
        ]
      : []),
    ...(tookMs > timeoutMs
      ? [`A question took ${tookMs} ms, and a recall waits for ${timeoutMs} ms at most: --timeout gives it longer.`]
      : []),
  ];
}
