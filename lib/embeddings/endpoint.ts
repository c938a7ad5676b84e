/**
 * One call to an address that makes embeddings, in the way of OpenAI's `/v1/embeddings`: Ollama, llama.cpp, vLLM, a vendor.
 * It is believed nothing but as many vectors of the same length as there were texts: a bounded answer of JSON from the
 * address itself, without redirections, since they would carry texts and key elsewhere.
 */
import { EMBEDDING_DIMENSIONS_MAX } from '../core/limits.ts';
import { plainText } from '../core/plain-text.ts';
import { parseJson, readBody } from '../protocol/body.ts';
import { packVector } from '../recall/vectors.ts';

const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
const MESSAGE_CHARACTERS_MAX = 200;

export interface Endpoint {
  /** Up to `/v1`, without a trailing slash. */
  url: string;
  model: string;
  apiKey?: string;
  /** Asked of models that can give fewer than they have. */
  dimensions?: number;
  fetch?: typeof fetch;
}

/** The address did not give vectors. The message is one line that may be logged: no word of the address's is in it. */
export class EmbeddingFailure extends Error {
  override readonly name = 'EmbeddingFailure';
  /** What the address said, one bounded line; it may quote what it was sent. */
  readonly said: string;
  /** The address lives, and finds fault with the texts. */
  readonly isOfTexts: boolean;

  constructor(message: string, { said = '', isOfTexts = false, cause }: FailureDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.said = said;
    this.isOfTexts = isOfTexts;
  }

  /** For the user's own eyes: the message with what the address said, the key taken out. */
  told(apiKey: string | undefined): string {
    const said = apiKey === undefined ? this.said : this.said.replaceAll(apiKey, '[key]');
    return said === '' ? this.message : `${this.message}: ${said}`;
  }
}

interface FailureDetails {
  said?: string;
  isOfTexts?: boolean;
  cause?: unknown;
}

const STATUS_OF_TEXTS: readonly number[] = [400, 413, 422];

/** A vector for each text, in their order. @throws EmbeddingFailure */
export async function embed(endpoint: Endpoint, texts: readonly string[], signal: AbortSignal): Promise<Int8Array[]> {
  const { url, model, apiKey, dimensions } = endpoint;
  let response: Response;
  let body: Buffer;
  try {
    response = await (endpoint.fetch ?? fetch)(`${url}/embeddings`, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({ model, input: texts, encoding_format: 'float', ...(dimensions && { dimensions }) }),
      signal,
    });
    // fetch has unpacked it.
    const bounds = { packedBytesMax: ANSWER_BYTES_MAX, bytesMax: ANSWER_BYTES_MAX };
    body = response.body === null ? Buffer.alloc(0) : await readBody(response.body, undefined, bounds);
  } catch (error) {
    throw new EmbeddingFailure(`it did not answer (${causeOf(error, signal)})`, { cause: error });
  }
  const { status } = response;
  if (status !== 200) {
    throw new EmbeddingFailure(`it answered ${status}`, {
      said: saidIn(body),
      isOfTexts: STATUS_OF_TEXTS.includes(status),
    });
  }
  return vectorsOf(body, texts.length);
}

function vectorsOf(body: Buffer, count: number): Int8Array[] {
  let answer: unknown;
  try {
    answer = parseJson(body);
  } catch (error) {
    throw new EmbeddingFailure('its answer is not JSON', { cause: error });
  }
  const { data } = (answer ?? {}) as { data?: unknown };
  if (!Array.isArray(data) || data.length !== count)
    throw new EmbeddingFailure('its answer has not the vectors asked for');
  const vectors: Int8Array[] = [];
  for (const [position, item] of (data as unknown[]).entries()) {
    const { embedding, index = position } = (item ?? {}) as { embedding?: unknown; index?: unknown };
    const vector = isVector(embedding) ? packVector(embedding) : undefined;
    if (vector === undefined || !Number.isSafeInteger(index) || !Object.is(vectors[index as number], undefined)) {
      throw new EmbeddingFailure('its answer has what is no vector');
    }
    vectors[index as number] = vector;
  }
  const [first] = vectors;
  if (vectors.length !== count || vectors.some((vector) => vector.length !== first?.length)) {
    throw new EmbeddingFailure('its answer has not the vectors asked for');
  }
  return vectors;
}

function isVector(value: unknown): value is number[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > EMBEDDING_DIMENSIONS_MAX) return false;
  return value.every((item) => typeof item === 'number' && Number.isFinite(item));
}

/** What the address says of an error, as one bounded line: it ends up in a log and on a terminal. */
function saidIn(body: Buffer): string {
  let text: unknown;
  try {
    const { error } = (parseJson(body) ?? {}) as { error?: unknown };
    text = typeof error === 'object' && error !== null ? (error as { message?: unknown }).message : error;
  } catch {
    return '';
  }
  return typeof text === 'string' ? plainText(text, MESSAGE_CHARACTERS_MAX) : '';
}

function causeOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'not in time';
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message: string };
  return (cause?.code ?? cause?.message ?? message).slice(0, MESSAGE_CHARACTERS_MAX);
}
