/** The frames of the host's socket as laws: any cutting of the bytes gives the same messages, and nothing grows unbounded. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OperationName } from '../../lib/brain/contract.ts';
import {
  type ClientMessage,
  encodeFrame,
  FRAME_BYTES_MAX,
  FrameReader,
  HELLO_BYTES_MAX,
} from '../../lib/host/frames.ts';

const NEVER_SENT = /"(?:prototype|constructor|__proto__)"/;

const message = fc.record({
  type: fc.constant('run' as const),
  id: fc.nat(),
  operation: fc.constantFrom<OperationName>('record', 'recall'),
  request: fc
    .anything({ withDate: true, withMap: true, withSet: true, withBigInt: true, withNullPrototype: false })
    .filter((value) => !NEVER_SENT.test(fc.stringify(value))),
});

/** `bytes` cut at `places`, which may repeat. */
function cut(bytes: Buffer, places: number[]): Buffer[] {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
}

test('[H10] however the bytes of a connection are cut, the same messages come out', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 30 }), (messages, places) => {
      const frames = messages.map((each) => encodeFrame(each as ClientMessage));
      const whole = frames.flatMap((frame) => new FrameReader().push(frame));
      const reader = new FrameReader();
      const pieces = cut(Buffer.concat(frames), places).flatMap((piece) => reader.push(piece));
      expect(pieces).toEqual(whole);
      expect(pieces).toHaveLength(messages.length);
    }),
  );
});

test.each(['prototype', 'constructor', '__proto__'])('[H10] a request with a field %s is refused in words', (field) => {
  const request = { drafts: [JSON.parse(`{ "title": "x", "${field}": 1 }`) as unknown] };
  const send = () => encodeFrame({ type: 'run', id: 1, operation: 'record', request });
  expect(send).toThrow(
    expect.objectContaining({ code: 'bad_request', message: expect.stringContaining(field) as string }),
  );
});

test('[H10] bytes that are no messages are refused or wait for more, and never come out as a message', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const reader = new FrameReader();
      let messages: unknown[] = [];
      try {
        messages = reader.push(Buffer.from(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
      for (const each of messages) expect(each).toHaveProperty('type');
    }),
  );
});

test.each(['null', '{"json":null}', '{"json":7}', '{"json":[]}', '{"json":{"type":1}}', '{"json":{}}', '""', ''])(
  '[H10] a frame of %j is refused',
  (text) => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(Buffer.byteLength(text));
    expect(() => new FrameReader().push(Buffer.concat([header, Buffer.from(text)]))).toThrow();
  },
);

test('[H10] a frame longer than allowed is refused by its length alone', () => {
  const lengthOf = (length: number): Buffer => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(length);
    return header;
  };
  expect(new FrameReader().push(lengthOf(FRAME_BYTES_MAX))).toEqual([]);
  expect(() => new FrameReader().push(lengthOf(FRAME_BYTES_MAX + 1))).toThrow('frame of');
  expect(() => new FrameReader(HELLO_BYTES_MAX).push(lengthOf(HELLO_BYTES_MAX + 1))).toThrow('frame of');
});

test('[H10] a message too large for a frame is refused before anything is sent', () => {
  const request = 'x'.repeat(FRAME_BYTES_MAX);
  expect(() => encodeFrame({ type: 'run', id: 1, operation: 'record', request })).toThrow(
    expect.objectContaining({ code: 'too_large' }),
  );
});
