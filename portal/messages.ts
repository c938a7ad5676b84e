/** The server's side of the protocol: makes a ClientMessage of a text frame, or refuses it. Nothing unchecked gets past. */
import * as v from 'valibot';
import { type ClientMessage, FIND_CHARACTERS_MAX, MESSAGE_BYTES_MAX, SESSION_NAME } from './protocol.ts';

const name = v.pipe(v.string(), v.regex(SESSION_NAME));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const side = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(10_000));
const secret = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/));

const schema = v.variant('t', [
  v.strictObject({
    t: v.literal('hello'),
    version: count,
    session: v.exactOptional(name),
    columns: side,
    rows: side,
    watch: v.exactOptional(v.boolean()),
    resume: v.exactOptional(v.strictObject({ id: secret, key: secret, seq: count })),
  }),
  v.strictObject({ t: v.literal('ack'), seq: count }),
  v.strictObject({ t: v.literal('resize'), columns: side, rows: side }),
  v.strictObject({ t: v.literal('take') }),
  v.strictObject({ t: v.literal('ping'), id: count }),
  v.strictObject({ t: v.literal('list') }),
  v.strictObject({ t: v.literal('rename'), name, to: name }),
  v.strictObject({ t: v.literal('end'), name }),
  v.strictObject({
    t: v.literal('find'),
    // One line: nothing else can stand in one.
    text: v.pipe(v.string(), v.maxLength(FIND_CHARACTERS_MAX), v.regex(/^[^\p{Cc}]*$/u)),
    direction: v.picklist(['older', 'newer']),
  }),
  v.strictObject({ t: v.literal('back'), lines: count }),
]);

/** As JSON.stringify writes it; any other spelling is parsed. */
const ACK = /^\{"t":"ack","seq":(\d{1,15})\}$/;

/** The message, or undefined where it is none. */
export function parseMessage(text: string): ClientMessage | undefined {
  // What comes a thousand times a second is known by its looks.
  const ack = ACK.exec(text);
  if (ack !== null) return { t: 'ack', seq: Number(ack[1]) };
  if (Buffer.byteLength(text) > MESSAGE_BYTES_MAX) return undefined;
  const value = jsonOf(text);
  const result = v.safeParse(schema, value);
  return result.success ? result.output : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema refuses it.
  }
}
