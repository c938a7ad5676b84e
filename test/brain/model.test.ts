/**
 * The brain against its model: random histories of concurrent, repeated and contradicting requests, under a clock that
 * jumps. Requests of a wave are all asked before any is answered; the order in which the answers come is the order in
 * which the model is asked, so that every answer must be right at that point.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BrainSession } from '../../lib/brain/session.ts';
import { SmError } from '../../lib/core/errors.ts';
import { type Command, command, FIRST_COMMAND } from '../support/brain-commands.ts';
import { idOf } from '../support/ids.ts';
import { ModelBrain } from '../support/model-brain.ts';
import { emptyStore, openSession, openTestStore, REPLICA_ID, type TestStore } from '../support/stores.ts';

let opened: TestStore;
beforeAll(async () => {
  opened = await openTestStore();
});
afterAll(() => opened.dispose());

/** A request of the history: a new one, or the repetition of an earlier one by the same caller. */
type Step = { command: Command } | { repeats: number };
interface Wave {
  nowMs: number;
  steps: Step[];
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ command: command() }) },
  { weight: 1, arbitrary: fc.record({ repeats: fc.nat(1_000) }) },
);
const wave: fc.Arbitrary<Wave> = fc.record({
  nowMs: fc.constantFrom(1_000_000, 1_000_001, 1_005_000, 2_000_000),
  steps: fc.array(step, { minLength: 5, maxLength: 14, size: 'max' }),
});
const history = fc
  .array(wave, { minLength: 4, maxLength: 7, size: 'max' })
  .map((waves): Wave[] => [{ nowMs: 1_000_000, steps: [{ command: FIRST_COMMAND }] }, ...waves]);

test('[L3][L4][L11][C1][C3] every answer to concurrent requests is what the model answers', async () => {
  await fc.assert(
    fc.asyncProperty(history, async (waves) => {
      await emptyStore(opened);
      const clock = { nowMs: 0 };
      const session = await openSession(opened, clock);
      const model = new ModelBrain(REPLICA_ID, clock);
      const asked: Asked[] = [];
      for (const { nowMs, steps } of waves) {
        clock.nowMs = nowMs;
        const replies = await askAtOnce(
          session,
          steps.map((next) => requestOf(next, asked)),
        );
        for (const reply of replies) expectAsModelled(model, reply);
      }
      const everything = await session.run('logPage', { afterSeq: 0, limit: 10_000 });
      expect(everything.changes).toEqual(model.log);
      expect(await session.run('verify', {})).toMatchObject({ isSound: true, entries: model.entries().length });
    }),
    { numRuns: 40 },
  );
});

interface Asked {
  command: Command;
  request: Record<string, unknown>;
}

type Reply = Asked & ({ answer: unknown } | { error: SmError });

function requestOf(next: Step, asked: Asked[]): Asked {
  const earlier = 'repeats' in next ? asked[next.repeats % Math.max(1, asked.length)] : undefined;
  if (earlier !== undefined) return earlier;
  const chosen: Command = 'command' in next ? next.command : { operation: 'rebuild', request: {} };
  const request = { ...chosen.request, requestId: idOf(asked.length, 'eeeeeeee') };
  const made = { command: chosen, request };
  asked.push(made);
  return made;
}

/** The replies in the order in which they came. */
async function askAtOnce(session: BrainSession, wave: Asked[]): Promise<Reply[]> {
  const replies: Reply[] = [];
  await Promise.all(
    wave.map((asked) =>
      session.run(asked.command.operation, asked.request as never).then(
        (answer) => replies.push({ ...asked, answer }),
        (error: unknown) => replies.push({ ...asked, error: error as SmError }),
      ),
    ),
  );
  return replies;
}

function expectAsModelled(model: ModelBrain, reply: Reply): void {
  const { operation } = reply.command;
  const answer = 'answer' in reply ? reply.answer : undefined;
  let expected: { answer: unknown } | { code: string };
  try {
    expected = { answer: model.run(operation, reply.request as never, answer) };
  } catch (error) {
    if (!(error instanceof SmError)) throw error;
    expected = { code: error.code };
  }
  const actual = 'answer' in reply ? { answer: withoutReasons(answer) } : { code: reply.error.code };
  expect(actual, `${operation} ${JSON.stringify(reply.request)}`).toEqual(expected);
}

/** Why a version won is said in words, which another test reads. */
function withoutReasons(answer: unknown): unknown {
  if (!Array.isArray(answer)) return answer;
  return (answer as Record<string, unknown>[]).map((item) => ('reason' in item ? { ...item, reason: '' } : item));
}
