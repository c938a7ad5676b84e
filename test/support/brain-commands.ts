/** Requests to a brain, drawn by fast-check from few ids, so that they meet, repeat and contradict each other. */
import fc from 'fast-check';
import type { RequestOf } from '../../lib/brain/contract.ts';
import { confidence, entryText, labelText, plainContent } from './arbitraries.ts';
import { idOf } from './ids.ts';
import type { ModelledOperation } from './model-brain.ts';

/** A request without its id, which is given by its place in the history. */
export type Command = {
  [O in ModelledOperation]: { operation: O; request: Omit<RequestOf<O>, 'requestId'> };
}[ModelledOperation];

const WORKSPACES = ['w', ''];
/** Full ids (also in capitals), a prefix of all, prefixes of one, unknown ones, and what is no id at all. */
const REFERENCES = [
  // Ids that the brain itself gives first: see createIds('01999999').
  ...[4, 5, 6, 7].map((number) => `01999999-0000-7000-8000-00000000000${number}`),
  ...[0, 1, 2, 3].flatMap((number) => [idOf(number), idOf(number), idOf(number), idOf(number).slice(0, 13)]),
  ` ${idOf(1).toUpperCase()} `,
  '01980c2e',
  'ffffffff',
  idOf(77),
  '019',
  'no id',
  "01980c2e%'_",
];

const workspaceId = fc.constantFrom('w', 'w', 'w', ...WORKSPACES);
const projectId = fc.constantFrom('p', 'p', 'q');
const scope = fc.record({ workspaceId, projectId });
const readScope = fc.record({ workspaceId, projectId: fc.option(projectId, { nil: null }) });
const idOrPrefix = fc.constantFrom(...REFERENCES);
const reference = fc.record({ workspaceId, idOrPrefix });
const limit = fc.constantFrom(1, 3, 100);
/** Mostly what is let in: a history of refusals would prove little. */
function rarely<T>(refused: T, usual: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 1, arbitrary: fc.constant(refused) }, { weight: 30, arbitrary: usual });
}

const title = rarely('', fc.oneof(fc.constantFrom('a', 'b'), labelText()));

const fields = {
  agent: fc.constantFrom('claude', 'codex'),
  kind: rarely('nonsense', fc.constantFrom('experiment', 'decision', 'insight', 'note')),
  summary: entryText(),
  conclusion: fc.constantFrom('', 'c'),
  tags: fc.subarray(['x', 'y', 'ü'], { minLength: 0 }),
  refs: fc.constantFrom([], ['r']),
  confidence: rarely(2, confidence()),
};
const draft = fc
  .record(
    {
      ...fields,
      title,
      createdAt: fc.constant(5),
      entryId: fc.nat(30).map((number) => idOf(number % 7)),
    },
    { requiredKeys: ['title'] },
  )
  .map(({ entryId, ...rest }) => (entryId === undefined || rest.createdAt === undefined ? rest : { ...rest, entryId }));
const filter = {
  agent: fields.agent,
  kind: fc.constantFrom('insight' as const, 'note' as const),
  tags: fields.tags,
  sinceMs: fc.constantFrom(0, 1_000_000, 2_000_000),
  includeInactive: fc.boolean(),
};
const importedChange = fc.record({
  changeId: fc.nat(5).map((number) => idOf(number, 'dddddddd')),
  base: fc.constant(null),
  replicaId: fc.constant('elsewhere'),
  entry: fc
    .record({ number: fc.nat(3), title: fc.constantFrom('a', 'b', 'from elsewhere'), updatedAt: fc.nat(3_000_000) })
    .map(({ number, title: text, updatedAt }) => ({ ...plainContent(number, text), updatedAt })),
});

/** The request that most references lead to. */
export const FIRST_COMMAND: Command = {
  operation: 'record',
  request: {
    scope: { workspaceId: 'w', projectId: 'p' },
    agent: 'claude',
    drafts: [0, 1, 2].map((number) => ({ title: 'first', entryId: idOf(number) })),
  },
};

/** Any one request, a third of them reads. */
export function command(): fc.Arbitrary<Command> {
  return fc.oneof(
    {
      weight: 4,
      arbitrary: commandOf('record', {
        scope,
        agent: fields.agent,
        drafts: fc.array(draft, { minLength: 1, maxLength: 3 }),
      }),
    },
    {
      weight: 2,
      arbitrary: commandOf('record', {
        scope,
        agent: fields.agent,
        drafts: fc.array(draft, { minLength: 1, maxLength: 1 }),
        supersedes: idOrPrefix,
      }),
    },
    {
      weight: 3,
      arbitrary: commandOf('edit', { reference, edit: fc.record({ ...fields, title }, { requiredKeys: [] }) }),
    },
    { weight: 2, arbitrary: commandOf('supersede', { workspaceId, oldId: idOrPrefix, newId: idOrPrefix }) },
    { weight: 1, arbitrary: commandOf('retract', { reference }) },
    { weight: 1, arbitrary: commandOf('feedback', { reference, verdict: fc.constantFrom('useful', 'stale') }) },
    {
      weight: 2,
      arbitrary: commandOf('import', {
        origin: fc.constantFrom('import:a.jsonl', 'https://sync.example.org'),
        changes: fc.array(importedChange, { minLength: 1, maxLength: 4 }),
      }),
    },
    { weight: 1, arbitrary: fc.constant<Command>({ operation: 'rebuild', request: {} }) },
    { weight: 2, arbitrary: reference.map((request): Command => ({ operation: 'show', request })) },
    { weight: 1, arbitrary: reference.map((request): Command => ({ operation: 'history', request })) },
    { weight: 2, arbitrary: listCommand() },
    { weight: 1, arbitrary: commandOf('log', { scope: readScope, limit }) },
    { weight: 2, arbitrary: commandOf('status', { scope }) },
  );
}

function listCommand(): fc.Arbitrary<Command> {
  const request = fc.record({ ...filter, scope: readScope, limit }, { requiredKeys: ['scope', 'limit'] });
  return request.map((drawn): Command => ({ operation: 'list', request: drawn }));
}

function commandOf(operation: ModelledOperation, parts: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Command> {
  return fc.record(parts).map((request) => ({ operation, request }) as unknown as Command);
}
