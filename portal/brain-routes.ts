/**
 * What `/brain` asks, as JSON over HTTP: find, look, and with full rights supersede and retract. Every answer is of the
 * portal's workspace. Who asks was let in before; links that are for one session alone do not lead here.
 */
import { Hono, type Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import * as v from 'valibot';
import type { Entry } from '../lib/core/entry.ts';
import { type ErrorCode, ERROR_TABLE, type SmErrorJson } from '../lib/core/errors.ts';
import { QUERY_CHARACTERS_MAX, SCOPE_CHARACTERS_MAX } from '../lib/core/limits.ts';
import { withoutPrivate } from '../lib/core/private.ts';
import { ENTRY_KINDS, ENTRY_STATUSES } from '../lib/core/vocabulary.ts';
import type { Principal } from './access.ts';
import { type BrainWindow, WATCHERS_MAX } from './brain-window.ts';
import { type Env, readJsonBody } from './http.ts';

export interface BrainRoutesOptions {
  brain: BrainWindow;
  /** Who asks, or undefined where nobody is logged in. */
  principalOf: (c: Context<Env>) => Principal | undefined;
  /** Told of every change that was made here. */
  onChange: (fields: { did: string; entryId: string; peer: string }) => void;
  peerOf: (c: Context<Env>) => string;
  nowMs: () => number;
}

const HITS_MAX = 50;
const VERSIONS_MAX = 50;
const BODY_BYTES_MAX = 4 * 1024;
const DAY_MS = 86_400_000;
const ACTIVITY_DAYS = 84;
const HEARTBEAT_MS = 20_000;

const optionalText = (charactersMax: number) => v.optional(v.pipe(v.string(), v.maxLength(charactersMax)));
const searchSchema = v.object({
  q: optionalText(QUERY_CHARACTERS_MAX),
  scope: v.optional(v.picklist(['project', 'org'])),
  kind: v.optional(v.picklist(ENTRY_KINDS)),
  status: v.optional(v.picklist(ENTRY_STATUSES)),
  agent: optionalText(SCOPE_CHARACTERS_MAX),
  days: v.optional(v.pipe(v.string(), v.regex(/^\d{1,5}$/))),
  loose: v.optional(v.literal('1')),
});
const id = v.pipe(v.string(), v.uuid());
const retractSchema = v.strictObject({ requestId: id, entryId: id });
const supersedeSchema = v.strictObject({ requestId: id, oldId: id, newId: id });

export function createBrainRoutes({ brain, principalOf, onChange, peerOf, nowMs }: BrainRoutesOptions): Hono<Env> {
  const app = new Hono<Env>();

  app.use(async (c, next) => {
    const principal = principalOf(c);
    if (principal === undefined) return refuse(c, 401, 'unauthorized', 'Log in first.');
    if (principal.session !== undefined) return refuse(c, 403, 'forbidden', 'This link is for one session only.');
    if (c.req.method !== 'GET' && principal.isReadOnly) return refuse(c, 403, 'forbidden', 'You may only look.');
    return next();
  });

  app.get('/search', async (c) => {
    const asked = v.safeParse(searchSchema, withoutEmpty(c.req.query()));
    if (!asked.success) return refuse(c, 400, 'bad_request', 'That is not a search.');
    const { q = '', scope, kind, status, agent, days, loose } = asked.output;
    const request = {
      scope: await scopeOf(scope),
      ...(q.trim() === '' ? {} : { query: q }),
      ...(kind === undefined ? {} : { kind }),
      ...(status === undefined ? {} : { statuses: [status] }),
      ...(agent === undefined ? {} : { agent }),
      ...(days === undefined ? {} : { sinceMs: nowMs() - Number(days) * DAY_MS }),
      limit: HITS_MAX,
    };
    const hits = await brain.run('recall', { ...request, isLoose: loose === '1' });
    return c.json({ hits: hits.map(withoutPrivate) });
  });

  app.get('/entries/:id', async (c) => {
    const { workspaceId } = await brain.place();
    const reference = { workspaceId, idOrPrefix: c.req.param('id') };
    const entry = await brain.run('show', reference);
    const history = await brain.run('history', reference);
    const scope = { workspaceId, projectId: null };
    const [conflict] = await brain.run('conflicts', { scope, idOrPrefix: entry.entryId, limit: 1 });
    return c.json({
      entry: withoutPrivate(entry),
      history: history.slice(0, VERSIONS_MAX).map(shownVersion),
      versions: history.length,
      conflict:
        conflict === undefined
          ? null
          : { current: shownVersion(conflict.current), losers: conflict.losers.map(shownVersion) },
    });
  });

  app.get('/overview', async (c) => {
    const place = await brain.place();
    const { workspaceId, projectId, endpoint } = place;
    const status = await brain.run('status', { scope: { workspaceId, projectId } });
    const sinceMs = startOfDay(nowMs()) - (ACTIVITY_DAYS - 1) * DAY_MS;
    const scope = await scopeOf(c.req.query('scope') === 'org' ? 'org' : 'project');
    const activity = await brain.run('activity', { scope, sinceMs, stepMs: DAY_MS, steps: ACTIVITY_DAYS });
    const peer = endpoint === undefined ? undefined : { endpoint, workspaceId };
    const sync =
      peer === undefined
        ? null
        : { endpoint, ...(await brain.run('syncState', peer)), ...(await brain.run('syncStanding', peer)) };
    return c.json({
      project: place.project,
      projectId,
      isReadOnly: principalOf(c)?.isReadOnly !== false,
      status,
      activity: { sinceMs, stepMs: DAY_MS, steps: ACTIVITY_DAYS, counts: activity },
      sync,
    });
  });

  app.get('/live', (c) => {
    if (brain.watchers >= WATCHERS_MAX) return refuse(c, 503, 'unavailable', 'There are too many viewers already.');
    return streamSSE(c, async (stream) => {
      const unwatch = brain.watch((changes) => {
        void stream.writeSSE({
          event: 'changes',
          data: JSON.stringify(changes.map(({ entry }) => withoutPrivate(entry))),
        });
      });
      stream.onAbort(unwatch);
      await stream.writeSSE({ event: 'hello', data: '' });
      while (!stream.aborted && !stream.closed) {
        // A login that has ended meanwhile ends the stream, too.
        if (principalOf(c) === undefined) break;
        await stream.sleep(HEARTBEAT_MS);
        await stream.writeSSE({ event: 'beat', data: '' });
      }
      unwatch();
    });
  });

  app.post('/retract', async (c) => {
    const asked = v.safeParse(retractSchema, await readJsonBody(c.req.raw, BODY_BYTES_MAX));
    if (!asked.success) return refuse(c, 400, 'bad_request', 'That is not an entry.');
    const { requestId, entryId } = asked.output;
    const { workspaceId } = await brain.place();
    const entry = await brain.run('retract', { requestId, reference: { workspaceId, idOrPrefix: entryId } });
    onChange({ did: 'retracted', entryId, peer: peerOf(c) });
    return c.json({ entry: withoutPrivate(entry) });
  });

  app.post('/supersede', async (c) => {
    const asked = v.safeParse(supersedeSchema, await readJsonBody(c.req.raw, BODY_BYTES_MAX));
    if (!asked.success) return refuse(c, 400, 'bad_request', 'Those are not two entries.');
    const { requestId, oldId, newId } = asked.output;
    const { workspaceId } = await brain.place();
    const { old } = await brain.run('supersede', { requestId, workspaceId, oldId, newId });
    onChange({ did: 'superseded', entryId: oldId, peer: peerOf(c) });
    return c.json({ entry: withoutPrivate(old) });
  });

  app.notFound((c) => refuse(c, 404, 'not_found', 'There is nothing here.'));
  app.onError((error, c) => {
    const shown = smErrorOf(error);
    if (shown === undefined) return refuse(c, 500, 'internal', 'The portal failed.');
    return c.json(shown, (ERROR_TABLE[shown.error].httpStatus ?? 500) as 500);
  });
  return app;

  async function scopeOf(scope: 'project' | 'org' | undefined) {
    const { workspaceId, projectId } = await brain.place();
    return { workspaceId, projectId: scope === 'org' ? null : projectId };
  }
}

function refuse(c: Context<Env>, status: 400 | 401 | 403 | 404 | 500 | 503, error: string, message: string) {
  return c.json({ error, message }, status);
}

function withoutEmpty(query: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''));
}

function startOfDay(timeMs: number): number {
  return Math.floor(timeMs / DAY_MS) * DAY_MS;
}

/** The brain's errors are of the command's own class, which is another than this bundle's. */
function smErrorOf(error: Error): (SmErrorJson & { error: ErrorCode }) | undefined {
  return error.name === 'SmError'
    ? (error as Error & { toJSON(): SmErrorJson & { error: ErrorCode } }).toJSON()
    : undefined;
}

/** A page is looked at from another machine. */
function shownVersion<T extends { entry: Entry }>(version: T): T {
  return { ...version, entry: withoutPrivate(version.entry) };
}
