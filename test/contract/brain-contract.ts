/**
 * What any brain must do, however it is reached: one suite for the session, the brain in this process and the brain
 * behind a host. Every test works in a workspace of its own, so that one brain serves them all.
 */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Brain, OperationName, RecordRequest, RequestOf, Scope } from '../../lib/brain/contract.ts';
import type { Entry } from '../../lib/core/entry.ts';
import type { ErrorCode, SmError } from '../../lib/core/errors.ts';
import type { Verdict } from '../../lib/core/standing.ts';
import { hashContent } from '../../lib/protocol/hash.ts';
import { TRUE_EXAMPLES } from '../secrets/samples.ts';
import { idOf } from '../support/ids.ts';

export interface OpenedBrain {
  brain: Brain;
  dispose: () => Promise<void>;
}

/** Runs the suite on the brain that `open` opens. */
export function describeBrain(name: string, open: () => Promise<OpenedBrain>): void {
  describe(name, () => {
    let opened: OpenedBrain;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.dispose());
    const run: Brain['run'] = (operation, request) => opened.brain.run(operation, request);

    const workspace = (): Workspace => new Workspace(run);

    test('[E4] a title alone makes an entry, with defaults and an id that sorts by time', async () => {
      const { record, scope } = workspace();
      const first = await record({ title: 'first' });
      const second = await record({ title: 'second' });
      expect(first).toEqual({
        entryId: first.entryId,
        ...scope,
        agent: 'tester',
        kind: 'note',
        title: 'first',
        summary: '',
        conclusion: '',
        tags: [],
        refs: [],
        confidence: 0.7,
        status: 'active',
        createdAt: first.createdAt,
        updatedAt: first.updatedAt,
      });
      expect(first.entryId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(first.entryId < second.entryId).toBe(true);
    });

    test('[E2] any text comes back as it went in', async () => {
      const { record, show } = workspace();
      const texts = [
        `'; DROP TABLE brain_entries; -- " \\ % _ $1 {}`,
        '日本語の検索 हिन्दी 🚀 \u2028 e\u0301',
        '\\N\n\\.\n\t\u0001\u007f',
        '{1,NULL,"x"}',
      ];
      for (const text of texts) {
        const written = await record({ title: text, summary: `a${text}b`, tags: [text.trim()], refs: [`r ${text}r`] });
        expect(await show(written.entryId)).toEqual(written);
        expect(written).toMatchObject({ title: text, summary: `a${text}b`, tags: [text] });
      }
    });

    test('[E3] the largest entry there can be is recorded and read', async () => {
      const { record, show } = workspace();
      const largest = {
        title: '検'.repeat(500),
        summary: 'a_'.repeat(32 * 1024),
        conclusion: Array.from({ length: 20_000 }, (_, n) => n.toString(36))
          .join(' ')
          .slice(0, 64 * 1024)
          .trimEnd(),
        tags: Array.from({ length: 64 }, (_, n) => String(n).padEnd(512, 'x')),
        refs: Array.from({ length: 256 }, (_, n) => String(n).padEnd(512, '/')),
      };
      const written = await record(largest);
      const { title, summary, conclusion, tags, refs } = await show(written.entryId);
      expect(isDeepStrictEqual({ title, summary, conclusion, tags, refs }, largest)).toBe(true);
    });

    test('[E1] a bad draft is refused by name and nothing of its request is written', async () => {
      const { record, list, scope } = workspace();
      await expectFailure(record({ title: 'a', confidence: 2 }), 'bad_request', /^confidence: .*from 0 to 1/);
      const drafts = [{ title: 'good' }, { title: 'bad', summary: '\ud800' }];
      await expectFailure(run('record', recordRequest(scope, drafts)), 'bad_request', /^summary: .*valid Unicode/);
      expect(await list({ includeInactive: true })).toEqual([]);
    });

    test.each(BAD_REQUESTS)(
      '[E1] a request of the wrong shape is refused and harms nobody: %s %j',
      async (operation, bad) => {
        const { record, show } = workspace();
        await expectFailure(run(operation, bad as never), 'bad_request');
        const { entryId } = await record({ title: 'the brain goes on' });
        expect((await show(entryId)).title).toBe('the brain goes on');
      },
    );

    test('[L3] a batch is written as a whole, in its order', async () => {
      const { scope, log } = workspace();
      const titles = Array.from({ length: 1_000 }, (_, n) => `entry ${n}`);
      const written = await run(
        'record',
        recordRequest(
          scope,
          titles.map((title) => ({ title })),
        ),
      );
      expect(written.map(({ title }) => title)).toEqual(titles);
      const logged = await log(1_000);
      expect(logged.map(({ entry }) => entry.title)).toEqual(titles.toReversed());
    });

    test('[L3] a batch in which one id is taken is refused as a whole', async () => {
      const { record, list, scope } = workspace();
      const { entryId } = await record({ title: 'taken' });
      const drafts = [{ title: 'new' }, { title: 'other', entryId }];
      await expectFailure(run('record', recordRequest(scope, drafts)), 'exists', new RegExp(entryId));
      expect((await list()).map(({ title }) => title)).toEqual(['taken']);
    });

    test('[L4] a record request repeated writes nothing and answers as the first did', async () => {
      const { scope, log, edit } = workspace();
      const request = recordRequest(scope, [{ title: 'a' }, { title: 'b', entryId: randomUUID() }]);
      const first = await run('record', request);
      for (const { entryId } of first) await edit(entryId, { title: 'changed meanwhile' });
      expect(await run('record', request)).toEqual(first);
      expect(await log()).toHaveLength(4);
    });

    test('[L4] an edit, a retraction and a supersession repeated answer as the first did', async () => {
      const { record, edit, log, scope } = workspace();
      const [a, b] = [await record({ title: 'a' }), await record({ title: 'b' })];
      const { workspaceId } = scope;
      const reference = { workspaceId, idOrPrefix: a.entryId };
      const requests: [OperationName, unknown][] = [
        ['edit', { requestId: randomUUID(), reference, edit: { title: 'a2' } }],
        ['feedback', { requestId: randomUUID(), reference, verdict: 'stale' }],
        ['supersede', { requestId: randomUUID(), workspaceId, oldId: a.entryId, newId: b.entryId }],
        ['retract', { requestId: randomUUID(), reference }],
      ];
      const answers: unknown[] = [];
      for (const [operation, request] of requests) answers.push(await run(operation, request as never));
      await edit(a.entryId, { title: 'a3' });
      await edit(b.entryId, { title: 'b2' });
      const before = await log();
      for (const [index, [operation, request]] of requests.entries()) {
        expect(await run(operation, request as never)).toEqual(answers[index]);
      }
      expect(await log()).toEqual(before);
    });

    test('[L4] the same request asked many times at once is written once', async () => {
      const { scope, list } = workspace();
      const request = recordRequest(scope, [{ title: 'once' }]);
      const answers = await Promise.all(Array.from({ length: 20 }, () => run('record', request)));
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect(await list()).toEqual(answers[0]);
    });

    test('[L4] the same entry recorded again by its id is no error, and another entry with its id is', async () => {
      const { record, log } = workspace();
      const entryId = randomUUID();
      const first = await record({ title: 'a', entryId });
      expect(await record({ title: 'a', entryId })).toEqual(first);
      await expectFailure(record({ title: 'b', entryId }), 'exists', /sm brain edit|exists already/);
      expect(await log()).toHaveLength(1);
    });

    test('[C1][C2] an edit keeps what it does not name and is newer than what it changed', async () => {
      const { record, edit, show } = workspace();
      const first = await record({ title: 'a', summary: 's', tags: ['x'], kind: 'decision' });
      const second = await edit(first.entryId, { conclusion: 'c', confidence: 0 });
      expect(second).toEqual({ ...first, conclusion: 'c', confidence: 0, updatedAt: second.updatedAt });
      expect(second.updatedAt).toBeGreaterThan(first.updatedAt);
      expect(await show(first.entryId)).toEqual(second);
    });

    test('[C1] an edit that says what is so already writes nothing', async () => {
      const { record, edit, log } = workspace();
      const first = await record({ title: 'a', tags: ['x'] });
      expect(await edit(first.entryId, { title: ' a', tags: ['x', 'x '] })).toEqual(first);
      expect(await log()).toHaveLength(1);
    });

    test('[E5] a retracted entry is a state: shown, listed when asked for, never gone', async () => {
      const { record, retract, show, list, log } = workspace();
      const { entryId } = await record({ title: 'a' });
      const retracted = await retract(entryId);
      expect(retracted.status).toBe('retracted');
      expect(await show(entryId)).toEqual(retracted);
      expect(await list()).toEqual([]);
      expect(await list({ includeInactive: true })).toEqual([retracted]);
      expect(await retract(entryId)).toEqual(retracted);
      expect(await log()).toHaveLength(2);
    });

    test('[E5] a superseded entry names what replaced it', async () => {
      const { record, supersede, list, show } = workspace();
      const [old, replacement] = [await record({ title: 'old' }), await record({ title: 'new' })];
      const answer = await supersede(old.entryId, replacement.entryId);
      expect(answer.new).toEqual(replacement);
      expect(answer.old).toMatchObject({ status: 'superseded', supersededBy: replacement.entryId });
      expect(await show(old.entryId)).toEqual(answer.old);
      expect(await list()).toEqual([replacement]);
    });

    test('[L3] a record that supersedes retires the old entry in the same transaction, or writes nothing', async () => {
      const { record, show, list, scope, workspaceId } = workspace();
      const old = await record({ title: 'old' });
      const request = { ...recordRequest(scope, [{ title: 'new' }]), supersedes: old.entryId };
      const [replacement] = await run('record', request);
      expect(await show(old.entryId)).toMatchObject({ status: 'superseded', supersededBy: replacement?.entryId });
      expect(await run('record', request)).toEqual([replacement]);
      const again = { ...request, requestId: randomUUID() };
      await expectFailure(run('record', again), 'conflict', /superseded by .* already/);
      await expectFailure(run('record', { ...again, supersedes: 'ffffffff' }), 'not_found');
      const two = { ...recordRequest(scope, [{ title: 'a' }, { title: 'b' }]), supersedes: old.entryId };
      await expectFailure(run('record', two), 'bad_request', /exactly one/);
      expect(await list({ includeInactive: true })).toHaveLength(2);
      expect(workspaceId).toBe(old.workspaceId);
    });

    test('[L3] what cannot be superseded is refused, and nothing is written', async () => {
      const { record, supersede, retract, log } = workspace();
      const [a, b, gone] = [
        await record({ title: 'a' }),
        await record({ title: 'b' }),
        await record({ title: 'gone' }),
      ];
      await retract(gone.entryId);
      const before = await log();
      await expectFailure(supersede(a.entryId, a.entryId), 'conflict', /itself/);
      await expectFailure(supersede(a.entryId, gone.entryId), 'conflict', /retracted/);
      await expectFailure(supersede(gone.entryId, b.entryId), 'conflict', /retracted already/);
      await expectFailure(supersede('ffffffff', b.entryId), 'not_found');
      expect(await log()).toEqual(before);
    });

    test('[E1] an id is found whole, by its beginning and in capitals; an ambiguous one lists the candidates', async () => {
      const { scope, show, workspaceId } = workspace();
      const head = randomUUID().slice(0, 8);
      const ids = [1, 2].map((number) => idOf(number, head));
      await run(
        'record',
        recordRequest(
          scope,
          ids.map((entryId) => ({ title: `t ${entryId}`, entryId })),
        ),
      );
      expect((await show(ids[0] ?? '')).entryId).toBe(ids[0]);
      expect((await show(`${head}-0001`)).entryId).toBe(ids[0]);
      expect((await show(` ${head.toUpperCase()}-0002 `)).entryId).toBe(ids[1]);
      const error = await failureOf(show(head));
      expect(error.code).toBe('ambiguous');
      expect(error.details).toEqual({ candidates: ids.map((entryId) => ({ entryId, title: `t ${entryId}` })) });
      await expectFailure(show(`${head}-0003`), 'not_found', /No entry has the id/);
      await expectFailure(show('abc'), 'bad_request', /too short/);
      for (const wild of ['%', '____', `${head}%`, `${head}-000_`, '\\', ''])
        await expectFailure(show(wild), 'bad_request');
      await expectFailure(run('show', { workspaceId: `${workspaceId}x`, idOrPrefix: ids[0] ?? '' }), 'not_found');
    });

    test('[M1][L1] history tells every version, the current one, and why the others are not', async () => {
      const { record, edit, retract, workspaceId, scope } = workspace();
      const first = await record({ title: 'a' });
      const second = await edit(first.entryId, { title: 'b' });
      const stray = { ...first, title: 'written elsewhere', updatedAt: first.updatedAt };
      await run('import', importOf([stray]));
      const last = await retract(first.entryId);
      const versions = await run('history', { workspaceId, idOrPrefix: first.entryId });
      expect(versions.map(({ entry }) => entry.updatedAt)).toEqual(
        [last, second, first, stray].map(({ updatedAt }) => updatedAt),
      );
      expect(versions.filter(({ isCurrent }) => isCurrent).map(({ entry }) => entry)).toEqual([last]);
      expect(versions[0]?.reason).toMatch(/current/);
      expect(versions[0]?.base).toBe(versions[1]?.hash);
      expect(versions[1]?.base).toBe(versions.find(({ entry }) => entry.title === 'a')?.hash);
      expect(versions[1]?.reason).toMatch(/replaced by a version written on top of it/);
      expect(versions.find(({ entry }) => entry.title === 'written elsewhere')?.reason).toMatch(/without knowing it/);
      expect(scope.workspaceId).toBe(first.workspaceId);
    });

    test('[R5] a read sees its project, or its workspace, and no other workspace', async () => {
      const [mine, theirs] = [workspace(), workspace()];
      const here = await mine.record({ title: 'shared word here' });
      const beside = await mine.record({ title: 'shared word beside' }, { projectId: 'other' });
      await theirs.record({ title: 'shared word of theirs' });
      const { workspaceId } = mine;
      const scopes = { project: mine.scope, workspace: { workspaceId, projectId: null } };
      const titles = (entries: Entry[]): string[] => entries.map(({ title }) => title).toSorted();
      expect(titles(await run('list', { scope: scopes.project, limit: 100 }))).toEqual([here.title]);
      expect(titles(await run('list', { scope: scopes.workspace, limit: 100 }))).toEqual([beside.title, here.title]);
      const query = { query: 'shared word', limit: 100 };
      expect(titles(await run('recall', { scope: scopes.project, ...query }))).toEqual([here.title]);
      expect(titles(await run('recall', { scope: scopes.workspace, ...query }))).toEqual([beside.title, here.title]);
      const logged = await run('log', { scope: scopes.project, limit: 100 });
      expect(logged.map(({ entry }) => entry)).toEqual([here]);
      await expectFailure(theirs.edit(here.entryId, { title: 'x' }), 'not_found');
    });

    test('[R4] filters narrow a list and a recall alike', async () => {
      const { record, scope } = workspace();
      await record({ title: 'alpha one', kind: 'decision', agent: 'codex', tags: ['x', 'y'] });
      await record({ title: 'alpha two', kind: 'insight', tags: ['x', "it's {a}"] });
      const third = await record({ title: 'alpha three', kind: 'insight', tags: [] });
      const found = async (filter: object): Promise<string[]> => {
        const listed = await run('list', { scope, limit: 100, ...filter });
        const recalled = await run('recall', { scope, limit: 100, query: 'alpha', ...filter });
        const names = (entries: Entry[]): string[] => entries.map(({ title }) => title.slice(6)).toSorted();
        expect(names(recalled)).toEqual(names(listed));
        return names(listed);
      };
      expect(await found({})).toEqual(['one', 'three', 'two']);
      expect(await found({ kind: 'insight' })).toEqual(['three', 'two']);
      expect(await found({ agent: 'codex' })).toEqual(['one']);
      expect(await found({ tags: ['x'] })).toEqual(['one', 'two']);
      expect(await found({ tags: ['x', 'y'] })).toEqual(['one']);
      expect(await found({ tags: ["it's {a}"] })).toEqual(['two']);
      expect(await found({ tags: ['X'] })).toEqual([]);
      expect(await found({ sinceMs: third.updatedAt + 1 })).toEqual([]);
      expect(await found({ sinceMs: 0, agent: undefined })).toHaveLength(3);
    });

    test('[L14] an import merges by stamp, keeps what lost, and counts what it did', async () => {
      const { record, show, log, workspaceId } = workspace();
      const mine = await record({ title: 'mine' });
      const newer = { ...mine, title: 'newer', updatedAt: mine.updatedAt + 5 };
      const older = { ...mine, title: 'older', updatedAt: mine.updatedAt - 5 };
      const other = { ...mine, entryId: randomUUID() };
      const request = importOf([newer, older, other]);
      expect(await run('import', request)).toEqual({ applied: 2, superseded: 1, duplicate: 0 });
      expect(await run('import', request)).toEqual({ applied: 0, superseded: 0, duplicate: 3 });
      expect(await run('import', importOf([newer]))).toEqual({ applied: 0, superseded: 0, duplicate: 1 });
      expect(await show(mine.entryId)).toEqual(newer);
      expect((await log()).map(({ entry }) => entry.title)).toEqual(['newer', 'mine', 'older', 'newer', 'mine']);
      expect(workspaceId).toBe(mine.workspaceId);
    });

    test('[L14] a batch with one bad entry is not imported at all', async () => {
      const { record, log } = workspace();
      const mine = await record({ title: 'mine' });
      const bad = { ...mine, entryId: randomUUID(), confidence: 7 };
      await expectFailure(
        run('import', importOf([{ ...mine, entryId: randomUUID() }, bad])),
        'bad_request',
        /confidence/,
      );
      expect(await log()).toHaveLength(1);
    });

    test('[L9] the log is read page by page, in the order of arrival', async () => {
      const { record } = workspace();
      for (const title of ['a', 'b', 'c']) await record({ title });
      const seqs: number[] = [];
      for (let afterSeq = 0; ;) {
        const page = await run('logPage', { afterSeq, limit: 700 });
        seqs.push(...page.changes.map(({ seq }) => seq));
        for (const { hash, entry } of page.changes) expect(hash).toBe(hashContent(entry));
        if (!page.hasMore) break;
        afterSeq = seqs.at(-1) ?? 0;
      }
      expect(seqs).toEqual(seqs.map((_, index) => index + 1));
    });

    test('[L10] status counts what is there, and verification finds it sound', async () => {
      const { record, retract, scope } = workspace();
      await record({ title: 'a', kind: 'decision' });
      await record({ title: 'b' }, { projectId: 'other' });
      await retract((await record({ title: 'c' })).entryId);
      const status = await run('status', { scope });
      expect(status).toMatchObject({
        repoEntries: 1,
        orgEntries: 2,
        byStatus: { active: 2, superseded: 0, retracted: 1 },
        byKind: { experiment: 0, decision: 1, insight: 0, note: 1 },
        clockRegressionMs: 0,
      });
      const report = await run('verify', {});
      expect(report).toEqual({
        changes: status.changes,
        entries: status.entries,
        badHashes: [],
        mismatches: [],
        structureErrors: [],
        indexErrors: [],
        isSound: true,
      });
      expect(await run('rebuild', {})).toEqual({ entries: status.entries, repaired: 0 });
    });

    test('[L11] requests of many callers at once are all answered, and a refused one takes none with it', async () => {
      const { record, list } = workspace();
      const answers = await Promise.allSettled(
        Array.from({ length: 100 }, (_, n) => record(n % 10 === 3 ? { title: '' } : { title: `t${n}` })),
      );
      const refused = answers.filter(({ status }) => status === 'rejected');
      expect(refused).toHaveLength(10);
      expect(await list({ limit: 1_000 })).toHaveLength(90);
    });

    test('[E6] where an entry was recorded stays with it, is found by --ref, and is no word of it', async () => {
      const { scope, show } = workspace();
      const provenance = { branch: 'zanzibar', host: 'kilimanjaro', isDirty: true };
      const request = { scope, agent: 'a', drafts: [{ title: 'plain', refs: ['a.ts'] }], provenance };
      const [entry] = await run('record', { requestId: randomUUID(), ...request });
      const where = ['prov:branch:zanzibar', 'prov:host:kilimanjaro', 'prov:dirty'];
      expect(entry?.refs).toEqual(['a.ts', ...where]);
      const recall = (query: Partial<RequestOf<'recall'>>) => run('recall', { scope, limit: 5, ...query });
      expect(await recall({ query: 'zanzibar', isLoose: true })).toEqual([]);
      expect(await recall({ ref: 'branch:zanzibar' })).toHaveLength(1);
      expect(await recall({ query: 'plain', ref: 'host:kilimanjaro' })).toHaveLength(1);
      expect(await recall({ ref: 'host:elsewhere' })).toEqual([]);
      const reference = { workspaceId: scope.workspaceId, idOrPrefix: entry?.entryId ?? '' };
      await run('edit', { requestId: randomUUID(), reference, edit: { refs: ['b.ts'] } });
      expect((await show(entry?.entryId ?? '')).refs).toEqual(['b.ts', ...where]);
    });

    test('[E6] recording the same again from another place is no conflict', async () => {
      const { scope } = workspace();
      const entryId = randomUUID();
      const record = (host: string) =>
        run('record', {
          requestId: randomUUID(),
          scope,
          agent: 'a',
          drafts: [{ entryId, title: 'once' }],
          provenance: { host },
        });
      const first = await record('one');
      expect(await record('two')).toEqual(first);
    });

    test('[E7] a secret is masked in whatever is written, its writer is told, and the log never had it', async () => {
      const { scope, show, log } = workspace();
      const secret = TRUE_EXAMPLES[0]?.secret ?? '';
      const draft = { title: `Set ${secret}`, tags: [secret], conclusion: 'fine' };
      const request = { requestId: randomUUID(), scope, agent: 'a', drafts: [{ title: 'plain' }, draft] };
      const [plain, entry] = await run('record', request);
      expect(plain).not.toHaveProperty('masked');
      expect(entry).toMatchObject({ title: 'Set [masked secret]', tags: ['[masked secret]'], masked: ['github'] });
      expect(await run('record', request)).toEqual([plain, entry]);
      const reference = { workspaceId: scope.workspaceId, idOrPrefix: entry?.entryId ?? '' };
      const edited = await run('edit', { requestId: randomUUID(), reference, edit: { summary: `now ${secret}` } });
      expect(edited).toMatchObject({ summary: 'now [masked secret]', masked: ['github'] });
      expect(await show(entry?.entryId ?? '')).not.toHaveProperty('masked');
      expect(JSON.stringify(await log())).not.toContain(secret);
      const kept = { requestId: randomUUID(), reference, edit: { summary: secret }, allowsSecrets: true };
      expect((await run('edit', kept)).summary).toBe(secret);
    });

    test('[E8] private text is kept, found and shown here, and left out of what is made for a prompt', async () => {
      const { record, scope, show } = workspace();
      const conclusion = 'Ask <private>Ms Zyxwv</private> first, <PRIVATE>and never Mr Qrst';
      const entry = await record({ title: 'Who decides on the budget', conclusion });
      expect((await show(entry.entryId)).conclusion).toBe(conclusion);
      expect(await run('recall', { scope, query: 'Zyxwv', limit: 5 })).toHaveLength(1);
      for (const format of ['markdown', 'xml', 'json'] as const) {
        const { text } = await run('context', { scope, query: 'budget', budget: 1_000, format });
        expect(text).toContain('[private]');
        expect(text).not.toMatch(/Zyxwv|Qrst/);
      }
    });

    test('[E10] feedback moves the confidence of an active entry, in the log like any edit, however many come at once', async () => {
      const { record, retract, show, log, scope } = workspace();
      const { entryId } = await record({ title: 'a' });
      const reference = { workspaceId: scope.workspaceId, idOrPrefix: entryId };
      const say = (verdict: Verdict) => run('feedback', { requestId: randomUUID(), reference, verdict });
      expect(await say('useful')).toMatchObject({ confidence: 0.763 });
      await Promise.all(Array.from({ length: 10 }, () => say('stale')));
      expect((await show(entryId)).confidence).toBe(0.05);
      const versions = (await log()).length;
      await say('stale');
      expect(await log()).toHaveLength(versions);
      await retract(entryId);
      await expectFailure(say('useful'), 'conflict', /retracted/);
    });

    test('[E10] a doubtful entry is left out of a context that asks nothing, and comes behind in recall', async () => {
      const { record, scope } = workspace();
      const doubted = await record({ title: 'cache keys collide', confidence: 0.1 });
      const sound = await record({ title: 'cache keys collide', confidence: 0.3 });
      const { entries } = await run('context', { scope, budget: 1_000, format: 'markdown' });
      expect(entries.map(({ entryId }) => entryId)).toEqual([sound.entryId]);
      const hits = await run('recall', { scope, query: 'cache keys', limit: 5 });
      expect(hits.map(({ entryId }) => entryId)).toEqual([sound.entryId, doubted.entryId]);
      expect((hits[1]?.reasons.lowered ?? 0) - (hits[0]?.reasons.lowered ?? 0)).toBeGreaterThan(0.05);
    });

    test('[R6] any text is a query, also of characters that mean something elsewhere', async () => {
      const { record, scope } = workspace();
      await record({ title: 'plain words' });
      for (const query of ["'", '"', '\\', '%', '_', '&|!()<->:*', '\0', '\ud800', 'a:* & !b', '', '  ', '🚀', '$1']) {
        expect(await run('recall', { scope, query, limit: 5 })).toBeInstanceOf(Array);
      }
      expect(await run('recall', { scope, query: 'PLAIN', limit: 5 })).toHaveLength(1);
    });
  });
}

const SCOPE = { workspaceId: 'w', projectId: 'p' };
const UUID = '01980c2e-0001-7abc-8def-0123456789ab';
const IMPORTED = { changeId: UUID, base: null, replicaId: 'r', entry: {} };

/** What programs of other versions, or without types, might send. */
const BAD_REQUESTS: [operation: OperationName, request: unknown][] = [
  ['record', undefined],
  ['record', null],
  ['record', []],
  ['record', { scope: SCOPE, agent: 'a', drafts: [{ title: 'no request id' }] }],
  ['record', { requestId: 'x', scope: SCOPE, agent: 'a', drafts: [{ title: 'a' }] }],
  ['record', { requestId: UUID, agent: 'a', drafts: [{ title: 'a' }] }],
  ['record', { requestId: UUID, scope: { workspaceId: 'w' }, agent: 'a', drafts: [{ title: 'a' }] }],
  ['record', { requestId: UUID, scope: { workspaceId: 'w', projectId: 'a\nb' }, agent: 'a', drafts: [{ title: 'a' }] }],
  ['record', { requestId: UUID, scope: SCOPE, agent: ' ', drafts: [{ title: 'a' }] }],
  ['record', { requestId: UUID, scope: SCOPE, agent: 'a', drafts: [] }],
  ['record', { requestId: UUID, scope: SCOPE, agent: 'a', drafts: 'abc' }],
  ['record', { requestId: UUID, scope: SCOPE, agent: 'a', drafts: [undefined] }],
  [
    'record',
    { requestId: UUID, scope: SCOPE, agent: 'a', drafts: Array.from({ length: 1_001 }, () => ({ title: 'a' })) },
  ],
  ['record', { requestId: UUID, scope: SCOPE, agent: 'a', drafts: [{ title: 'a' }], supersedes: 7 }],
  ['edit', { requestId: UUID, reference: { workspaceId: 'w' }, edit: { title: 'a' } }],
  ['edit', { requestId: UUID, reference: { workspaceId: 'w', idOrPrefix: UUID } }],
  ['supersede', { requestId: UUID, workspaceId: 'w', oldId: UUID }],
  ['retract', { requestId: UUID }],
  ['feedback', { requestId: UUID, reference: { workspaceId: 'w', idOrPrefix: UUID }, verdict: 'fine' }],
  ['import', { origin: 'o', changes: [] }],
  ['import', { origin: 'o\0', changes: [IMPORTED] }],
  ['import', { origin: 'o', changes: [{ ...IMPORTED, changeId: 'x'.repeat(10_000) }] }],
  ['import', { origin: 'o', changes: [{ ...IMPORTED, base: 'not a hash' }] }],
  ['import', { origin: 'o', changes: [{ ...IMPORTED, replicaId: '\0' }] }],
  ['import', { origin: 'o', changes: [IMPORTED] }],
  ['show', {}],
  ['show', { workspaceId: 'w', idOrPrefix: 5 }],
  ['history', undefined],
  ['list', { scope: SCOPE }],
  ['list', { scope: SCOPE, limit: 0 }],
  ['list', { scope: SCOPE, limit: 10_001 }],
  ['list', { scope: SCOPE, limit: 1.5 }],
  ['list', { scope: SCOPE, limit: 5, sinceMs: 1.5 }],
  ['list', { scope: SCOPE, limit: 5, sinceMs: 'yesterday' }],
  ['list', { scope: SCOPE, limit: 5, tags: 'x' }],
  ['list', { scope: SCOPE, limit: 5, agent: '\0' }],
  ['list', { scope: SCOPE, limit: 5, kind: 'idea' }],
  ['recall', { scope: SCOPE, limit: 5, query: 5 }],
  ['recall', { scope: SCOPE, limit: 5, query: 'x'.repeat(4_097) }],
  ['recall', { scope: { projectId: 'p' }, limit: 5 }],
  ['log', { scope: SCOPE, limit: 'all' }],
  ['logPage', { limit: 5 }],
  ['status', {}],
  ['nonsense' as OperationName, {}],
  ['constructor' as OperationName, {}],
];

/** A workspace that no other test uses, with the operations on it in short. */
class Workspace {
  readonly workspaceId = `w-${randomUUID()}`;
  readonly scope: Scope = { workspaceId: this.workspaceId, projectId: 'p' };
  readonly #run: Brain['run'];

  constructor(run: Brain['run']) {
    this.#run = run;
  }

  readonly record = async (draft: Record<string, unknown>, scope: Partial<Scope> = {}): Promise<Entry> => {
    const [entry] = await this.#run('record', recordRequest({ ...this.scope, ...scope }, [draft]));
    if (entry === undefined) throw new Error('record answered nothing');
    return entry;
  };

  readonly edit = (entryId: string, edit: RequestOf<'edit'>['edit']): Promise<Entry> =>
    this.#run('edit', { requestId: randomUUID(), reference: this.#reference(entryId), edit });

  readonly retract = (entryId: string): Promise<Entry> =>
    this.#run('retract', { requestId: randomUUID(), reference: this.#reference(entryId) });

  readonly supersede = (oldId: string, newId: string): Promise<{ old: Entry; new: Entry }> =>
    this.#run('supersede', { requestId: randomUUID(), workspaceId: this.workspaceId, oldId, newId });

  readonly show = (entryId: string): Promise<Entry> => this.#run('show', this.#reference(entryId));

  readonly list = (filter: Partial<RequestOf<'list'>> = {}): Promise<Entry[]> =>
    this.#run('list', { scope: this.scope, limit: 100, ...filter });

  readonly log = (limit = 100): ReturnType<typeof this.readLog> => this.readLog(limit);

  readLog(limit: number) {
    return this.#run('log', { scope: { workspaceId: this.workspaceId, projectId: null }, limit });
  }

  #reference(idOrPrefix: string): RequestOf<'show'> {
    return { workspaceId: this.workspaceId, idOrPrefix };
  }
}

function recordRequest(scope: Scope, drafts: unknown[]): RecordRequest {
  return { requestId: randomUUID(), scope, agent: 'tester', drafts };
}

function importOf(entries: Entry[]): RequestOf<'import'> {
  const changes = entries.map((entry) => ({ changeId: randomUUID(), base: null, replicaId: randomUUID(), entry }));
  return { origin: 'import:test', changes };
}

async function failureOf(promise: Promise<unknown>): Promise<SmError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  // The built library has a class of its own, so that its shape is what is looked at.
  if (outcome instanceof Error && outcome.name === 'SmError') return outcome as SmError;
  throw outcome instanceof Error ? outcome : new Error('it was not refused');
}

async function expectFailure(promise: Promise<unknown>, code: ErrorCode, message = /./): Promise<void> {
  const error = await failureOf(promise);
  expect({ code: error.code, message: error.message }).toEqual({
    code,
    message: expect.stringMatching(message) as string,
  });
}
