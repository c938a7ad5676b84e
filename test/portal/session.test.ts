/** The core without a transport: random lives of a viewer against a plain list of bytes, and paths of any length. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplayBuffer, wholeCharacters } from '../../portal/replay.ts';
import { Attachment, FRAME_BYTES_MAX, type Terminal, type TerminalEnd, type Viewer } from '../../portal/session.ts';
import { Window, WINDOW_BASE_BYTES, WINDOW_MAX_BYTES } from '../../portal/window.ts';

/** A program that says what the test says; while it is paused a read may still be on its way, as with a real one. */
class FakeTerminal implements Terminal {
  readonly pid = 1;
  readonly inputBytes = 0;
  isPaused = false;
  isClosed = false;
  #data: (bytes: Buffer) => void = () => undefined;
  #end: (end: TerminalEnd) => void = () => undefined;

  say(bytes: Buffer): void {
    this.#data(bytes);
  }
  finish(): void {
    this.#end({ exitCode: 0, signal: 0 });
  }
  write(): void {}
  resize(): void {}
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  close(): void {
    this.isClosed = true;
  }
  onData(listener: (bytes: Buffer) => void): void {
    this.#data = listener;
  }
  onEnd(listener: (end: TerminalEnd) => void): void {
    this.#end = listener;
  }
  onDrain(): void {}
}

class FakeViewer implements Viewer {
  readonly frames: Buffer[] = [];
  hasEnded = false;
  isReplaced = false;
  send(bytes: Buffer): void {
    this.frames.push(bytes);
  }
  ended(): void {
    this.hasEnded = true;
  }
  replaced(): void {
    this.isReplaced = true;
  }
}

function bench() {
  const terminal = new FakeTerminal();
  const time = { ms: 0 };
  const soon: (() => void)[] = [];
  const attachment = new Attachment(terminal, {
    nowMs: () => time.ms,
    soon: (run) => void soon.push(run),
    later: (run) => void soon.push(run),
  });
  const settle = () => {
    for (const run of soon.splice(0)) run();
  };
  return { terminal, time, attachment, settle };
}

type Step =
  | { do: 'say'; bytes: Uint8Array }
  | { do: 'settle' }
  | { do: 'ack'; part: number }
  | { do: 'lose'; part: number }
  | { do: 'return' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('say' as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
    fc.record({
      do: fc.constant('say' as const),
      bytes: fc.integer({ min: 1, max: 90_000 }).map((length) => new Uint8Array(length).fill(0x61)),
    }),
    fc.record({ do: fc.constant('settle' as const) }),
    fc.record({ do: fc.constant('ack' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ do: fc.constant('lose' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ do: fc.constant('return' as const) }),
  ),
  { maxLength: 60 },
);

describe('an attachment', () => {
  test('[P1] [P2] [P3] whatever a viewer does, it gets every byte once and in order, and what is kept is bounded', () => {
    fc.assert(
      fc.property(steps, (life) => {
        const { terminal, attachment, settle, time } = bench();
        const said: Buffer[] = [];
        let received = Buffer.alloc(0);
        let acked = 0;
        let viewer: FakeViewer | undefined = new FakeViewer();
        attachment.connect(viewer, 0);
        const collect = () => {
          if (viewer === undefined) return;
          received = Buffer.concat([received, ...viewer.frames.splice(0)]);
        };
        for (const step of life) {
          time.ms += 1;
          if (step.do === 'say') {
            if (terminal.isPaused) continue;
            const bytes = Buffer.from(step.bytes);
            said.push(bytes);
            terminal.say(bytes);
            // One read beyond the window, as a paused terminal may have one on its way.
            expect(attachment.unacknowledgedBytes).toBeLessThan(attachment.windowBytes + 90_000 + 1);
          } else if (step.do === 'settle') settle();
          else if (step.do === 'ack' && viewer !== undefined) {
            collect();
            acked = Math.max(acked, Math.floor(received.length * step.part));
            attachment.acknowledge(acked);
          } else if (step.do === 'lose' && viewer !== undefined) {
            // Some of what was sent never arrives.
            const frames = viewer.frames.splice(0);
            received = Buffer.concat([received, ...frames.slice(0, Math.floor(frames.length * step.part))]);
            attachment.disconnect(viewer);
            viewer = undefined;
          } else if (step.do === 'return' && viewer === undefined) {
            viewer = new FakeViewer();
            attachment.connect(viewer, received.length);
            acked = received.length;
          }
        }
        if (viewer === undefined) {
          viewer = new FakeViewer();
          attachment.connect(viewer, received.length);
        }
        terminal.finish();
        collect();
        expect(received.equals(Buffer.concat(said))).toBe(true);
        expect(viewer.hasEnded).toBe(true);
      }),
    );
  });

  test('[P2] [P7] bytes that were never sent can be neither acknowledged nor gone on from', () => {
    const { terminal, attachment, settle } = bench();
    const viewer = new FakeViewer();
    attachment.connect(viewer, 0);
    terminal.say(Buffer.from('abcdef'));
    settle();
    expect(() => attachment.acknowledge(7)).toThrow('never sent');
    expect(() => attachment.acknowledge(1.5)).toThrow('never sent');
    attachment.acknowledge(6);
    expect(() => attachment.acknowledge(5)).toThrow('never sent');
    expect(attachment.missedBytes(7)).toBeUndefined();
    terminal.say(Buffer.from('ghi'));
    attachment.disconnect(viewer);
    settle();
    expect(attachment.missedBytes(6)).toBe(3);
    expect(attachment.missedBytes(5)).toBeUndefined();
  });

  test('[P2] one that is resumed elsewhere is told, and its leaving then changes nothing', () => {
    const { attachment } = bench();
    const [first, second] = [new FakeViewer(), new FakeViewer()];
    attachment.connect(first, 0);
    attachment.connect(second, 0);
    expect(first.isReplaced).toBe(true);
    attachment.disconnect(first);
    expect(attachment.isConnected).toBe(true);
  });

  test('[P3] a viewer that never acknowledges pauses the program within the window', () => {
    const { terminal, attachment, settle } = bench();
    attachment.connect(new FakeViewer(), 0);
    let said = 0;
    while (!terminal.isPaused) {
      terminal.say(Buffer.alloc(4096, 0x61));
      said += 4096;
      settle();
    }
    expect(said).toBeLessThanOrEqual(WINDOW_BASE_BYTES + 4096);
    attachment.acknowledge(said);
    expect(terminal.isPaused).toBe(false);
  });
});

describe('frames', () => {
  test('[P5] no frame ends inside a character, and every byte is in one', () => {
    const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 30 }), { maxLength: 20 });
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 7 }), (parts, cut) => {
        const { terminal, attachment, settle } = bench();
        const viewer = new FakeViewer();
        attachment.connect(viewer, 0);
        const all = Buffer.from(parts.join('').toWellFormed());
        for (let at = 0; at < all.length; at += cut) {
          terminal.say(all.subarray(at, at + cut));
          settle();
        }
        const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
        expect(viewer.frames.map((frame) => strict.decode(frame)).join('')).toBe(all.toString());
      }),
    );
  });

  test('[P5] what is no UTF-8 is not held back, beyond what may still become a character', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        const whole = wholeCharacters(Buffer.from(bytes));
        expect(bytes.length - whole).toBeLessThanOrEqual(3);
        expect(whole).toBeLessThanOrEqual(bytes.length);
      }),
    );
    expect(wholeCharacters(Buffer.from([0xff, 0xfe]))).toBe(2);
    expect(wholeCharacters(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80]))).toBe(5);
  });

  test('[P1] a flood is cut into frames of bounded size', () => {
    const { terminal, attachment, settle } = bench();
    const viewer = new FakeViewer();
    attachment.connect(viewer, 0);
    terminal.say(Buffer.alloc(300_000, 0x61));
    settle();
    expect(Math.max(...viewer.frames.map((frame) => frame.length))).toBeLessThanOrEqual(FRAME_BYTES_MAX);
    expect(viewer.frames.reduce((sum, frame) => sum + frame.length, 0)).toBe(300_000);
  });
});

describe('the ring', () => {
  test('[P1] reads any part that was not released, wherever its chunks end', () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 9 }), { minLength: 1, maxLength: 40 });
    const part = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(chunks, part, part, fc.integer({ min: 0, max: 100 }), (list, releasePart, fromPart, max) => {
        const ring = new ReplayBuffer();
        for (const chunk of list) ring.append(Buffer.from(chunk));
        const all = Buffer.concat(list);
        ring.release(Math.floor(all.length * releasePart));
        expect(ring.firstSeq).toBeLessThanOrEqual(Math.floor(all.length * releasePart));
        const from = ring.firstSeq + Math.floor((all.length - ring.firstSeq) * fromPart);
        expect(ring.read(from, max).equals(all.subarray(from, from + max))).toBe(true);
      }),
    );
  });
});

/** Sends through a path of a given round trip to a terminal of a given speed, and gives the rate of its last seconds. */
function rateThrough(
  roundTripMs: number,
  terminalBytesPerMs: number,
): { megabytesPerSecond: number; windowBytes: number } {
  const window = new Window(0, 0);
  const frame = 16 * 1024;
  const arrivals: { atMs: number; seq: number }[] = [];
  let [sent, acked, freeAtMs, measuredFrom] = [0, 0, 0, 0];
  const [endMs, measureMs] = [60_000, 6_000];
  for (let nowMs = 0; nowMs < endMs; nowMs += 1) {
    while (arrivals[0] !== undefined && arrivals[0].atMs <= nowMs) {
      acked = arrivals.shift()?.seq ?? acked;
      window.acknowledged(acked, nowMs);
    }
    if (nowMs === measureMs) measuredFrom = acked;
    while (sent - acked < window.bytes) {
      sent += frame;
      window.sent(sent, nowMs);
      freeAtMs = Math.max(freeAtMs, nowMs + roundTripMs / 2) + frame / terminalBytesPerMs;
      arrivals.push({ atMs: freeAtMs + roundTripMs / 2, seq: sent });
    }
  }
  return { megabytesPerSecond: (acked - measuredFrom) / (endMs - measureMs) / 1000, windowBytes: window.bytes };
}

describe('the window', () => {
  test('[P4] fills long paths, and does not queue before slow terminals', () => {
    expect(rateThrough(120, 50_000).megabytesPerSecond).toBeGreaterThan(7);
    expect(rateThrough(250, 50_000).megabytesPerSecond).toBeGreaterThan(7);
    expect(rateThrough(40, 20_000).megabytesPerSecond).toBeGreaterThan(18);
    const slow = rateThrough(1, 5_000);
    expect(slow.megabytesPerSecond).toBeGreaterThan(4.8);
    // Less than 60 ms of queue: what a Ctrl-C waits behind.
    expect(slow.windowBytes / 5_000).toBeLessThan(60);
  });

  test('[P4] stays within its bounds, whatever times it is told', () => {
    const event = fc.record({
      bytes: fc.integer({ min: 1, max: 1_000_000 }),
      ms: fc.double({ min: 0, max: 1e7, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 100 }), (events) => {
        const window = new Window(0, 0);
        let [seq, nowMs] = [0, 0];
        for (const { bytes, ms } of events) {
          seq += bytes;
          window.sent(seq, nowMs);
          nowMs += ms;
          window.acknowledged(seq, nowMs);
          expect(window.bytes).toBeGreaterThanOrEqual(WINDOW_BASE_BYTES);
          expect(window.bytes).toBeLessThanOrEqual(WINDOW_MAX_BYTES);
        }
      }),
    );
  });
});
